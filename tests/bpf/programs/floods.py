# SPDX-License-Identifier: Apache-2.0
"""Waits more often than a ring has room for; says so, and when it is told to go on waits once more."""
import asyncio
import sys
import time

TIMES = 6007


def floods():
    for _ in range(TIMES):
        time.sleep(0.00015)  # the flood
    print(TIMES, flush=True)
    sys.stdin.readline()
    time.sleep(0.03)  # the one after
    print("after", flush=True)
    sys.stdin.readline()


async def main():
    await asyncio.sleep(0.01)
    asyncio.get_running_loop().call_soon(floods)
    await asyncio.sleep(0.01)


asyncio.run(main())
