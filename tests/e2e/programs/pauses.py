# SPDX-License-Identifier: Apache-2.0
"""Pauses of a loop's thread, each measured by the program itself: `gc` or `gil` and the seconds, a line each."""
import asyncio
import gc
import sys
import threading
import time

N_COLLECTIONS = 7
N_WAITS = 11


async def collect():
    keep = [[n] for n in range(300_000)]
    gc.collect()
    await asyncio.sleep(0)
    for _ in range(N_COLLECTIONS):
        began = time.perf_counter()
        gc.collect()
        print("gc", time.perf_counter() - began)
    await asyncio.sleep(0)
    return keep


def compute(until):
    while not until.is_set():
        sum(range(1000))


async def compete():
    """The other thread lets go of the GIL after 60 ms only."""
    until = threading.Event()
    thread = threading.Thread(target=compute, args=(until,))
    sys.setswitchinterval(0.06)
    thread.start()
    for _ in range(N_WAITS):
        due = time.perf_counter() + 0.002
        await asyncio.sleep(0.002)
        print("gil", time.perf_counter() - due)
    until.set()
    thread.join()


gc.disable()
asyncio.run({"collect": collect, "compete": compete}[sys.argv[1]]())
