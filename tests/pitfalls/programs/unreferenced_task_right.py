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


for form in (kept_in_a_set, awaited, gathered, waited_for, limited, in_a_group):
    for _ in range(3):
        _loops.run(form())
print("done")
