# SPDX-License-Identifier: Apache-2.0
"""Blocks its loop as often as it is told: blocks.py COUNT [STATUS]."""
import asyncio
import sys
import time


async def main(count):
    for _ in range(count):
        await asyncio.sleep(0)
        time.sleep(0.03)  # BAD: blocking-call


asyncio.run(main(int(sys.argv[1])))
sys.exit(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
