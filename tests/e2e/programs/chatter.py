# SPDX-License-Identifier: Apache-2.0
"""Many stalls at one site within a few seconds: 101 of 30 ms."""
import asyncio
import time


async def main():
    for _ in range(101):
        await asyncio.sleep(0.001)
        time.sleep(0.03)  # BAD: blocking-call 101


asyncio.run(main())
