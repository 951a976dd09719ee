# SPDX-License-Identifier: Apache-2.0
"""Blocks its loop, and then becomes another program."""
import asyncio
import os
import time


async def main():
    for _ in range(3):
        await asyncio.sleep(0.002)
        time.sleep(0.03)  # BAD: blocking-call 3
    await asyncio.sleep(0.05)
    os.execv("/bin/true", ["true"])


asyncio.run(main())
