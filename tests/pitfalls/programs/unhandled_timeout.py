# SPDX-License-Identifier: Apache-2.0
"""A time limit ends, and nobody catches that: it ends a task, a thread or the program."""
import asyncio
import threading

import _loops
import somelib


async def plain_work():
    await asyncio.wait_for(asyncio.sleep(60), 0.01)  # BAD: unhandled-timeout 1


async def plain():
    asyncio.ensure_future(plain_work())
    await _loops.others_end()


async def third():
    await somelib.wait_for_it(asyncio.wait_for(asyncio.sleep(60), 0.01))  # BAD: unhandled-timeout 1


async def second():
    await third()


async def deep():
    await second()


async def interleaved_work(seconds):
    await asyncio.wait_for(asyncio.sleep(0.001), seconds)  # BAD: unhandled-timeout 23


async def interleaved():
    for _ in range(23):
        asyncio.ensure_future(interleaved_work(0.000001))
        await interleaved_work(60)
    await _loops.others_end()


async def of_the_program():
    await asyncio.wait_for(asyncio.sleep(60), 0.01)  # BAD: unhandled-timeout 1


for form in (plain, interleaved):
    _loops.run(form())
thread = threading.Thread(target=lambda: _loops.run(deep()), name="limited")
thread.start()
thread.join()
print("done", flush=True)
_loops.run(of_the_program())
