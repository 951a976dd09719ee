# SPDX-License-Identifier: Apache-2.0
"""Fifteen callbacks of 20 ms in one turn; says when three are over."""
import asyncio
import time

import either

done = 0


def burn():
    global done
    until = time.thread_time() + 0.02
    while time.thread_time() < until: pass  # BAD: long-turn 1
    done += 1
    if done == 3:
        print("three", flush=True)


async def main():
    await asyncio.sleep(0.01)
    loop = asyncio.get_running_loop()
    for _ in range(15):
        loop.call_soon(burn)
    await asyncio.sleep(0.01)


either.run(main())
