# SPDX-License-Identifier: Apache-2.0
"""Suspended tasks that somebody holds."""
# NEEDS: strict
import asyncio

import _loops

background = set()


async def work():
    await asyncio.sleep(0.01)


async def kept_in_a_set():
    for _ in range(7):
        task = asyncio.ensure_future(work())
        background.add(task)
        task.add_done_callback(background.discard)
    del task
    while background:
        await asyncio.sleep(0)


async def awaited():
    await asyncio.ensure_future(work())


async def gathered():
    await asyncio.gather(*(work() for _ in range(7)))


async def waited_for():
    await asyncio.wait([asyncio.ensure_future(work()) for _ in range(7)])


async def limited():
    await asyncio.wait_for(work(), 5)
    await asyncio.shield(work())


async def in_a_group():
    if hasattr(asyncio, "TaskGroup"):
        async with asyncio.TaskGroup() as group:
            for _ in range(7):
                group.create_task(work())


async def let_go_when_it_wakes():
    """The loop's own list of what is ready holds what has been woken, or cancelled."""
    for _ in range(7):
        event = asyncio.Event()
        tasks = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(work())]
        await asyncio.sleep(0)
        tasks[1].cancel()
        event.set()
        tasks.clear()
        await asyncio.sleep(0)


async def waits_for(event):
    await event.wait()


async def let_go_of_others():
    event = asyncio.Event()
    tasks = [asyncio.ensure_future(waits_for(event)) for _ in range(7)]
    await asyncio.sleep(0)
    event.set()
    tasks.clear()
    for _ in range(5):
        await asyncio.sleep(0)


for form in (let_go_when_it_wakes, let_go_of_others, kept_in_a_set, awaited, gathered, waited_for, limited, in_a_group):
    for _ in range(3):
        _loops.run(form())
print("done")
