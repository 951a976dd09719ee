# SPDX-License-Identifier: Apache-2.0
"""Waits and computes in tasks: whatever the loop is made of, each is told at its line."""
import asyncio
import time


async def waits():
    time.sleep(0.11)  # BAD: blocking-call 3


async def computes():
    end = time.thread_time() + 0.3
    while time.thread_time() < end: pass  # BAD: slow-callback 1


async def main():
    for _ in range(3):
        await asyncio.ensure_future(waits())
        await asyncio.sleep(0.001)
    await asyncio.ensure_future(computes())


asyncio.run(main())
print("done")
