# SPDX-License-Identifier: Apache-2.0
"""Three callbacks of one turn, each too long: by a wait, by work, by many short waits."""
import asyncio
import time

import either


def waits():
    time.sleep(0.15)  # BAD: blocking-call 3


def works():
    until = time.thread_time() + 0.15
    while time.thread_time() < until: pass  # BAD: slow-callback 3


def nibbles():
    for _ in range(13):
        time.sleep(0.011)


async def main():
    loop = asyncio.get_running_loop()
    for _ in range(3):
        for callback in (waits, works):
            loop.call_soon(callback)
        await asyncio.sleep(0.01)


either.run(main())
