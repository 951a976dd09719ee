# SPDX-License-Identifier: Apache-2.0
"""Tasks that begin while they are made (3.12), used as they are meant; many have ended by then."""
# NEEDS: 3.12 asyncio strict
import asyncio

import _loops

background = set()


async def value(number):
    return number


async def later(number):
    await asyncio.sleep(0)
    return number


async def fails():
    raise ValueError("looked at")


async def made(make):
    assert make(value(7)).result() == 7
    assert await make(value(7)) + await make(later(7)) == 14
    assert sum(await asyncio.gather(*map(value, range(101)), *map(later, range(101)))) == 10100


async def looked_at(make):
    for task in make(fails()), make(fails()):
        try:
            await task
        except ValueError:
            pass
    results = await asyncio.gather(fails(), fails(), return_exceptions=True)
    assert all(isinstance(result, ValueError) for result in results)


async def in_a_group(make):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(value(1)), group.create_task(later(2))]
    assert sum(task.result() for task in tasks) == 3
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(later(3))
            group.create_task(fails())
    except* ValueError:
        pass


async def kept(make):
    for number in range(5):
        task = make(later(number))
        background.add(task)
        task.add_done_callback(background.discard)
    del task
    while background:
        await asyncio.sleep(0)


async def limited(make):
    for _ in range(3):
        try:
            async with asyncio.timeout(0.001):
                await make(asyncio.sleep(60))
        except TimeoutError:
            pass
        try:
            await asyncio.wait_for(make(asyncio.sleep(60)), 0.001)
        except TimeoutError:
            pass


async def cancelled(make):
    async def cleans_up():
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)

    task = make(cleans_up())
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass


async def many(make):
    for _ in range(3):
        await asyncio.gather(*map(value, range(5003)))


async def main(form):
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    await form(loop.create_task)


for form in (made, looked_at, in_a_group, kept, limited, cancelled, many):
    for _ in range(3):
        _loops.run(main(form))
print("done")
