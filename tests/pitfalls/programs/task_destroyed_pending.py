# SPDX-License-Identifier: Apache-2.0
"""A task that nobody holds is taken by the collector while its loop runs."""
import asyncio
import gc

import _loops
import somelib


async def plain_work():
    await asyncio.get_running_loop().create_future()  # BAD: task-destroyed-pending 1


async def plain():
    asyncio.ensure_future(plain_work())
    await asyncio.sleep(0)
    gc.collect()


async def third():
    await asyncio.Event().wait()  # BAD: task-destroyed-pending 1


async def second():
    return await third()


async def deep_work():
    await somelib.wait_for_it(second())


async def deep():
    asyncio.ensure_future(deep_work())
    await asyncio.sleep(0)
    gc.collect()


async def interleaved_work(future):
    await future  # BAD: task-destroyed-pending 23


async def interleaved():
    held = []
    loop = asyncio.get_running_loop()
    for _ in range(23):
        asyncio.ensure_future(interleaved_work(loop.create_future()))
        future = loop.create_future()
        held.append((future, asyncio.ensure_future(interleaved_work(future))))
    await asyncio.sleep(0)
    gc.collect()
    for future, task in held:
        future.set_result(None)
        await task


for form in (plain, deep, interleaved):
    _loops.run(form())
print("done")
