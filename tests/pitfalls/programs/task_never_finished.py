# SPDX-License-Identifier: Apache-2.0
"""The loop is closed, or the program ends, over a task that nobody waits for."""
import asyncio

import _loops
import somelib


async def plain_work():
    await asyncio.sleep(60)  # BAD: task-never-finished 1


async def plain():
    asyncio.ensure_future(plain_work())
    await asyncio.sleep(0)


async def third():
    await asyncio.sleep(60)  # BAD: task-never-finished 1


async def second():
    await third()


async def deep():
    asyncio.ensure_future(somelib.wait_for_it(second()))
    await asyncio.sleep(0)


async def interleaved_work(seconds):
    await asyncio.sleep(seconds)  # BAD: task-never-finished 23


async def interleaved():
    for _ in range(23):
        asyncio.ensure_future(interleaved_work(60))
        await asyncio.ensure_future(interleaved_work(0.001))


async def closed_work():
    await asyncio.sleep(60)  # BAD: task-never-finished 1


async def closed():
    asyncio.ensure_future(closed_work())
    await asyncio.sleep(0)


for form in (plain, deep, interleaved):
    _loops.run(form())
loop = _loops.new_loop()
loop.run_until_complete(closed())
loop.close()
print("done")
