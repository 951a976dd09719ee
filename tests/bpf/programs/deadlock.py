# SPDX-License-Identifier: Apache-2.0
"""Takes a lock twice on the loop's thread, and never comes back."""
import asyncio
import threading

lock = threading.Lock()


async def main():
    await asyncio.sleep(0.01)
    lock.acquire()
    print("locks", flush=True)
    lock.acquire()  # BAD: stuck 1


asyncio.run(main())
