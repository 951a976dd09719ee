# SPDX-License-Identifier: Apache-2.0
"""Blocks its loop for 200 ms, then computes for 200 ms, and prints of each what it took at least, by
what was asked for, and at most, by the clock around all of it, in ns."""
import asyncio
import time


async def sleeps():
    time.sleep(0.2)  # BAD: blocking-call 1


async def computes():
    until = time.thread_time() + 0.2
    while time.thread_time() < until: pass  # BAD: slow-callback 1


async def main():
    for work in (sleeps, computes):
        started = time.perf_counter_ns()
        await asyncio.ensure_future(work())
        print(200_000_000, time.perf_counter_ns() - started)


asyncio.run(main())
