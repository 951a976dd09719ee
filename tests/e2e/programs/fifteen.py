# SPDX-License-Identifier: Apache-2.0
"""Fifteen callbacks of 20 ms in one turn: none is slow, the turn is."""
import asyncio
import time

import either


def burn():
    until = time.thread_time() + 0.02
    while time.thread_time() < until: pass  # BAD: long-turn 1


async def main():
    await asyncio.sleep(0.01)
    loop = asyncio.get_running_loop()
    for _ in range(15):
        loop.call_soon(burn)
    await asyncio.sleep(0.01)


either.run(main())
