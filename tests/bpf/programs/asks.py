# SPDX-License-Identifier: Apache-2.0
"""Sleeps, asks, and waits for an answer, all in one callback."""
import asyncio
import sys
import time


def asks():
    time.sleep(0.031)
    print("asking", flush=True)
    sys.stdin.readline()  # the wait


async def main():
    await asyncio.sleep(0.01)
    asyncio.get_running_loop().call_soon(asks)
    await asyncio.sleep(0.01)


asyncio.run(main())
