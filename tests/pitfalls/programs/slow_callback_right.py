# SPDX-License-Identifier: Apache-2.0
"""The same work in pieces, on another thread, or before there is a loop."""
# NEEDS: slow-callback=100ms few
import asyncio
import concurrent.futures
import time

import _loops


def compute(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def in_pieces():
    for _ in range(23):
        compute(0.003)
        await asyncio.sleep(0)


async def many_in_pieces():
    await asyncio.gather(*(in_pieces() for _ in range(3)))


async def in_a_thread():
    loop = asyncio.get_running_loop()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        await loop.run_in_executor(pool, time.sleep, 0.131)


async def waits():
    await asyncio.sleep(0.131)


compute(0.131)
for form in (in_pieces, many_in_pieces, in_a_thread, waits):
    _loops.run(form())
print("done")
