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


async def wait(stop):
    await stop.wait()


async def live_at_two_lines():
    stop, tasks = asyncio.Event(), []
    for _ in range(449):
        tasks.append(asyncio.ensure_future(wait(stop)))
        tasks.append(asyncio.ensure_future(wait(stop)))
        await asyncio.sleep(0)
    stop.set()
    await asyncio.gather(*tasks)


async def some_live():
    for _ in range(3):
        stop, tasks = asyncio.Event(), []
        for _ in range(9):
            tasks += [asyncio.ensure_future(wait(stop)) for _ in range(47)]
            await asyncio.sleep(0)
        stop.set()
        await asyncio.gather(*tasks)


async def ended_and_held():
    tasks = []
    for _ in range(1009):
        tasks.append(asyncio.ensure_future(work()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert sum(task.done() for task in tasks) > 1000


async def eager():
    """Each has ended before its maker has it, where loops have it so."""
    async def value():
        return 7

    loop = asyncio.get_running_loop()
    if isinstance(loop, asyncio.BaseEventLoop) and hasattr(asyncio, "eager_task_factory"):
        loop.set_task_factory(asyncio.eager_task_factory)
        assert sum(await asyncio.gather(*(value() for _ in range(1009)))) == 7063


for form in (paced, in_portions, workers, at_two_lines, live_at_two_lines, some_live,
             ended_and_held, eager):
    for _ in range(3):
        _loops.run(form())
print("done")
