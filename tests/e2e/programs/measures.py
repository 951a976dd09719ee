# SPDX-License-Identifier: Apache-2.0
"""Blocks its loop for 200 ms, then computes for 200 ms, and prints what it measured, in ns."""
import asyncio
import time


async def sleeps():
    started = time.perf_counter_ns()
    time.sleep(0.2)  # BAD: blocking-call 1
    print(time.perf_counter_ns() - started)


async def computes():
    started = time.perf_counter_ns()
    until = time.thread_time() + 0.2
    while time.thread_time() < until: pass  # BAD: slow-callback 1
    print(time.perf_counter_ns() - started)


async def main():
    await asyncio.ensure_future(sleeps())
    await asyncio.ensure_future(computes())


asyncio.run(main())
