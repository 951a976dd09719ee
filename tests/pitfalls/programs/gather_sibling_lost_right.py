# SPDX-License-Identifier: Apache-2.0
"""Every failure is returned, raised, or asked for later; a cancellation is the canceller's."""
import asyncio

import _loops


async def turns(number):
    for _ in range(number):
        await asyncio.sleep(0)


async def charge(number):
    await turns(number)
    if number % 2:
        raise ValueError("card %d" % number)
    return number


async def returned():
    results = await asyncio.gather(*map(charge, range(7)), return_exceptions=True)
    assert sum(isinstance(result, ValueError) for result in results) == 3


async def the_only_one():
    for _ in range(5):
        try:
            await asyncio.gather(charge(1), charge(2), charge(4))
        except ValueError as failure:
            assert failure.args == ("card 1",)
        await turns(7)


async def held_and_asked_later():
    tasks = [asyncio.ensure_future(charge(number)) for number in (1, 3, 5)]
    try:
        await asyncio.gather(*tasks)
    except ValueError:
        pass
    for task in tasks:
        try:
            await task
        except ValueError:
            pass


async def worker(number):
    try:
        await asyncio.sleep(100)
    finally:
        if number % 2:
            raise ConnectionError("closed already")


async def workers():
    await asyncio.gather(*map(worker, range(6)))


async def cancelled():
    for _ in range(3):
        task = asyncio.ensure_future(workers())
        await turns(3)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        await turns(3)


GROUP = """
async def group():
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(charge(number))
    except* ValueError as failures:
        assert len(failures.exceptions) >= 1
"""


async def in_a_group():
    if hasattr(asyncio, "TaskGroup"):
        space = {"asyncio": asyncio, "charge": charge}
        exec(GROUP, space)
        await space["group"]()


async def main():
    await returned()
    await the_only_one()
    await held_and_asked_later()
    await cancelled()
    await in_a_group()


_loops.run(main())
print("done")
