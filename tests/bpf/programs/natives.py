# SPDX-License-Identifier: Apache-2.0
"""Waits in a function of the interpreter, and computes in one."""
import asyncio
import time


def waits():
    time.sleep(0.151)  # BAD: blocking-call 3


def computes():
    sum(range(60_000_000))  # BAD: slow-callback


async def main():
    loop = asyncio.get_running_loop()
    for _ in range(3):
        await asyncio.sleep(0.01)
        loop.call_soon(waits)
    await asyncio.sleep(0.01)
    loop.call_soon(computes)
    await asyncio.sleep(0.01)


asyncio.run(main())
