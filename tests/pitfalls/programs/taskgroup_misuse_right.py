# SPDX-License-Identifier: Apache-2.0
"""TaskGroups used as they are meant, and one in which a task fails while another makes tasks."""
# NEEDS: 3.11
import asyncio

import _loops


async def work():
    await asyncio.sleep(0)
    return 7


async def fails():
    raise ValueError("in the group")


async def made_inside():
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work()) for _ in range(5)]
    assert sum(task.result() for task in tasks) == 35


async def made_by_a_child():
    async def parent(group):
        group.create_task(work())
        await asyncio.sleep(0)
        group.create_task(work())

    async with asyncio.TaskGroup() as group:
        group.create_task(parent(group))


async def shutting_down():
    """Too late, but none could know: the sibling has just failed."""
    async def late(group):
        try:
            await asyncio.sleep(60)
        finally:
            group.create_task(work())

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(late(group))
            await asyncio.sleep(0)
            group.create_task(fails())
    except* (ValueError, RuntimeError):
        pass


async def other_classes():
    for text in ("'TaskGroups' object does not support the context manager protocol",
                 "'asyncio' object is none"):
        try:
            raise TypeError(text)
        except TypeError:
            pass


for form in (made_inside, made_by_a_child, shutting_down, other_classes):
    for _ in range(3):
        _loops.run(form())
print("done")
