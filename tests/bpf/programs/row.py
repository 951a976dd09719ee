# SPDX-License-Identifier: Apache-2.0
"""Each of three callbacks waits in seven calls, and works for some ms behind each."""
import asyncio
import time

import either


def spends(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def waits():
    for _ in range(7):
        time.sleep(0.031)  # BAD: blocking-call 21
        spends(0.003)


async def main():
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0.3)
    for _ in range(3):
        loop.call_soon(waits)
        await asyncio.sleep(0.01)


either.run(main())
