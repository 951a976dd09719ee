# SPDX-License-Identifier: Apache-2.0
"""Ends while loops run in daemon threads, one of them in a call, one on the CPU."""
import asyncio
import threading
import time

started = threading.Semaphore(0)


async def tick():
    started.release()
    while True:
        await asyncio.sleep(0.001)


async def block():
    started.release()
    time.sleep(3600)


async def spin():
    started.release()
    while True:
        sum(range(1000))

for body in (tick, block, spin):
    threading.Thread(target=lambda: asyncio.run(body()), daemon=True).start()
    started.acquire()
print("ends now", flush=True)
