# SPDX-License-Identifier: Apache-2.0
"""Becomes itself anew, as a service that reloads does."""
import asyncio
import os
import sys
import time


async def main():
    await asyncio.sleep(0.3)
    for _ in range(3):
        await asyncio.sleep(0.002)
        time.sleep(0.03)  # BAD: blocking-call 6


asyncio.run(main())
if sys.argv[1] == "once":
    os.execv(sys.executable, [sys.executable, __file__, "again"])
