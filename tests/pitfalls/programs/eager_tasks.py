# SPDX-License-Identifier: Apache-2.0
"""Tasks that begin while they are made (3.12), in all that can go wrong with them."""
# NEEDS: 3.12 asyncio
import asyncio
import gc

import _loops


async def turns(number):
    for _ in range(number):
        await asyncio.sleep(0)


async def fails_at_once():
    raise ValueError("at once")  # BAD: exception-never-retrieved 7


async def fails_later():
    await turns(1)
    raise ValueError("later")  # BAD: exception-never-retrieved 23


async def never_retrieved(make):
    for _ in range(7):
        make(fails_at_once())
    for _ in range(23):
        make(fails_later())
        await turns(1)
    await turns(3)


async def waits_for_ever():
    await asyncio.get_running_loop().create_future()  # BAD: task-destroyed-pending 2


async def destroyed(make):
    for _ in range(2):
        make(waits_for_ever())
    await turns(1)
    gc.collect()


async def sleeps():
    await asyncio.sleep(60)  # BAD: task-never-finished 3


async def never_finished(make):
    for _ in range(3):
        make(sleeps())
    await turns(1)


async def stubborn():
    try:
        await asyncio.sleep(100)  # BAD: swallowed-cancellation 5
    except asyncio.CancelledError:
        pass


async def swallowed(make):
    tasks = [make(stubborn()) for _ in range(5)]
    await turns(1)
    for task in tasks:
        task.cancel()
    for task in tasks:
        await task


async def read_early(make):
    task = make(turns(1))
    try:
        task.result()  # BAD: result-before-done 1
    except asyncio.InvalidStateError:
        pass
    await task


async def limited():
    await asyncio.wait_for(asyncio.sleep(60), 0.01)  # BAD: unhandled-timeout 1


async def timed_out(make):
    make(limited())
    await _loops.others_end()


async def fails_in_a_group():
    raise ValueError("in the group")


async def group():
    async with asyncio.TaskGroup() as group:  # BAD: unhandled-group 1
        group.create_task(fails_in_a_group())


async def grouped(make):
    make(group())
    await turns(4)


async def first():
    await turns(1)
    raise ValueError("first")


async def second():
    await turns(2)
    raise ValueError("second")  # BAD: gather-sibling-lost 1


async def gathered(make):
    try:
        await asyncio.gather(first(), second())
    except ValueError:
        pass
    await turns(4)


async def forgets():
    turns(1)  # BAD: never-awaited 2


async def forgotten(make):
    await make(forgets())
    await make(forgets())


async def misused(make):
    async with asyncio.TaskGroup() as group:
        pass
    try:
        group.create_task(turns(1))  # BAD: taskgroup-misuse 1
    except RuntimeError:
        pass


async def runs_another():
    try:
        asyncio.run(turns(1))  # BAD: nested-run 1
    except RuntimeError:
        pass


async def nested(make):
    await make(runs_another())


async def flooded(make):
    await asyncio.gather(*(turns(1) for _ in range(5003)))  # BAD: task-flood 1


async def main(form):
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    await form(loop.create_task)


for form in (never_retrieved, destroyed, never_finished, swallowed, read_early, timed_out, grouped,
             gathered, forgotten, misused, nested, flooded):
    _loops.run(main(form))
print("done")
