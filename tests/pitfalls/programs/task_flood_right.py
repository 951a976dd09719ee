# SPDX-License-Identifier: Apache-2.0
"""Many tasks, but few at once, or at many lines."""
# NEEDS: task-flood=503
import asyncio

import _loops


async def work():
    await asyncio.sleep(0)


async def paced():
    for _ in range(1009):
        await asyncio.ensure_future(work())


async def in_portions():
    for _ in range(11):
        await asyncio.gather(*(work() for _ in range(101)))


async def workers():
    queue = asyncio.Queue()
    for number in range(1009):
        queue.put_nowait(number)

    async def worker():
        while not queue.empty():
            queue.get_nowait()
            await work()

    await asyncio.gather(*(worker() for _ in range(7)))


async def at_two_lines():
    tasks = []
    for _ in range(499):
        tasks.append(asyncio.ensure_future(work()))
        tasks.append(asyncio.ensure_future(work()))
    for task in tasks:
        await task


for form in (paced, in_portions, workers, at_two_lines):
    for _ in range(3):
        _loops.run(form())
print("done")
