# SPDX-License-Identifier: Apache-2.0
"""Takes a lock twice on the loop's thread, and never comes back.

The loop has slept long enough to be known: one of uvloop is found while it waits or runs.
"""
import asyncio
import threading

import either

lock = threading.Lock()


async def main():
    await asyncio.sleep(0.3)
    lock.acquire()
    print("locks", flush=True)
    lock.acquire()  # BAD: stuck 1


either.run(main())
