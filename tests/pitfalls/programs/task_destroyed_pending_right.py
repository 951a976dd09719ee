# SPDX-License-Identifier: Apache-2.0
"""Tasks are held until they have ended, or waited for."""
import asyncio
import gc

import _loops

background = set()


async def work(future):
    return await future


async def kept_in_a_set():
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    task = asyncio.ensure_future(work(future))
    background.add(task)
    task.add_done_callback(background.discard)
    del task
    await asyncio.sleep(0)
    gc.collect()
    future.set_result(None)
    while background:
        await asyncio.sleep(0)


async def awaited():
    future = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(work(future))
    await asyncio.sleep(0)
    gc.collect()
    future.set_result(7)
    assert await task == 7


async def gathered():
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(5)]
    whole = asyncio.gather(*(work(future) for future in futures))
    await asyncio.sleep(0)
    gc.collect()
    for future in futures:
        future.set_result(1)
    assert sum(await whole) == 5


async def cancelled_and_awaited():
    task = asyncio.ensure_future(work(asyncio.get_running_loop().create_future()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])


async def abandoned_generator():
    """A suspended coroutine that no task runs is no task."""
    async def numbers():
        for i in range(3):
            yield i
    generator = numbers()
    async for number in generator:
        if number == 1:
            break
    await generator.aclose()
    gc.collect()


for form in (kept_in_a_set, awaited, gathered, cancelled_and_awaited, abandoned_generator):
    for _ in range(3):
        _loops.run(form())
print("done")
