# SPDX-License-Identifier: Apache-2.0
"""Short callbacks that together keep one turn of the loop."""
# NEEDS: long-turn=100ms few
import asyncio
import time

import _loops
import anylib


def burn():
    until = time.thread_time() + 0.029
    while time.thread_time() < until: pass  # BAD: long-turn 1


async def plain():
    await asyncio.sleep(0.001)
    for _ in range(5):
        asyncio.get_running_loop().call_soon(burn)
    await asyncio.sleep(0.001)


def third():
    until = time.thread_time() + 0.029
    while time.thread_time() < until: pass  # BAD: long-turn 1


def second():
    third()


async def short_job():
    await asyncio.sleep(0)
    anylib.call(second)


async def three_calls_deep():
    await asyncio.gather(*(short_job() for _ in range(5)))


async def library_job():
    await asyncio.sleep(0)
    anylib.compute(0.029)  # BAD: long-turn 1


async def in_a_library():
    await asyncio.gather(*(library_job() for _ in range(5)))


async def one_of_many():
    for _ in range(23):
        until = time.thread_time() + 0.029
        while time.thread_time() < until: pass  # BAD: long-turn 23
        await asyncio.sleep(0)


async def interleaved():
    await asyncio.gather(*(one_of_many() for _ in range(5)))


for form in (plain, three_calls_deep, in_a_library, interleaved):
    _loops.run(form())
print("done")
