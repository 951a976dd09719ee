# SPDX-License-Identifier: Apache-2.0
"""Tasks are awaited before the end, or cancelled and awaited; held ones the runner may cancel."""
import asyncio

import _loops

held = set()


async def work(seconds):
    await asyncio.sleep(seconds)


async def awaited():
    task = asyncio.ensure_future(work(0.001))
    await asyncio.sleep(0)
    await task


async def cancelled_and_awaited():
    task = asyncio.ensure_future(work(60))
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass


async def all_cancelled():
    """A shutdown as frameworks write it."""
    for _ in range(5):
        asyncio.ensure_future(work(60))
    await asyncio.sleep(0)
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def held_to_the_end():
    held.add(asyncio.ensure_future(work(60)))
    await asyncio.sleep(0)


async def waits_are_left():
    """What lost a race, or was shielded, is a wait and no work."""
    queue = asyncio.Queue()
    getter = asyncio.ensure_future(queue.get())
    await asyncio.wait([getter, asyncio.ensure_future(work(0.001))],
                       return_when=asyncio.FIRST_COMPLETED)
    try:
        await asyncio.wait_for(asyncio.shield(asyncio.sleep(60)), 0.001)
    except asyncio.TimeoutError:
        pass


async def in_executor():
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(None, int, "7") == 7


async def agen():
    for i in range(3):
        yield i
        await asyncio.sleep(0)


async def generator_left_open():
    async for i in agen():
        if i == 1:
            break


for form in (awaited, cancelled_and_awaited, all_cancelled, held_to_the_end, waits_are_left, in_executor,
             generator_left_open):
    for _ in range(3):
        _loops.run(form())
loop = _loops.new_loop()
loop.run_until_complete(cancelled_and_awaited())
loop.run_until_complete(loop.shutdown_asyncgens())
loop.close()
print("done")
