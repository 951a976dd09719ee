# SPDX-License-Identifier: Apache-2.0
"""A loop of its own for each of 131 threads, one after another, as who calls asyncio.run() in a thread has."""
import asyncio
import threading
import time


async def waits():
    await asyncio.sleep(0.002)
    time.sleep(0.022)  # BAD: blocking-call 131


for _ in range(131):
    thread = threading.Thread(target=asyncio.run, args=(waits(),))
    thread.start()
    thread.join()
