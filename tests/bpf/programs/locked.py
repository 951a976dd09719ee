# SPDX-License-Identifier: Apache-2.0
"""Waits for a lock that a thread holds while it sleeps; says for how long, in ns."""
import asyncio
import threading
import time

lock = threading.Lock()
has_it = threading.Event()


def holds():
    with lock:
        has_it.set()
        time.sleep(0.137)


async def main():
    await asyncio.sleep(0.01)
    holder = threading.Thread(target=holds)
    holder.start()
    has_it.wait()
    before = time.monotonic_ns()
    lock.acquire()  # BAD: blocking-call
    print(time.monotonic_ns() - before)
    holder.join()


asyncio.run(main())
