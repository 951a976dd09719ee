# SPDX-License-Identifier: Apache-2.0
"""A loop that never sleeps: many turns, none long, timers started in each, and one slow callback."""
import asyncio
import time

import either


def burn(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until: pass


def short():
    burn(0.002)


def slow():
    until = time.thread_time() + 0.15
    while time.thread_time() < until: pass  # BAD: slow-callback 1


async def main():
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0.02)
    for n in range(211):
        loop.call_later(30, int)
        loop.call_soon(slow if n == 101 else short)
        await asyncio.sleep(0)


either.run(main())
