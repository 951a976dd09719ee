# SPDX-License-Identifier: Apache-2.0
"""Computes beside a thread that computes as well: each has the GIL in turn. Says how long it ran."""
import asyncio
import threading
import time

is_over = threading.Event()
has_begun = threading.Event()


def competes():
    has_begun.set()
    while not is_over.is_set():
        sum(range(1000))


def computes():
    ran = time.thread_time_ns()
    while time.thread_time_ns() - ran < 211_000_000:  # BAD: slow-callback
        pass
    print(time.thread_time_ns() - ran)


async def main():
    asyncio.get_running_loop().call_soon(computes)
    await asyncio.sleep(0.01)


other = threading.Thread(target=competes)
other.start()
has_begun.wait()
try:
    asyncio.run(main())
finally:
    is_over.set()
    other.join()
