# SPDX-License-Identifier: Apache-2.0
"""Calls that wait for seven different times; says itself how long each took, in ns."""
import asyncio
import time

import either


async def main():
    spans = []
    for n in range(7):
        await asyncio.sleep(0.003)
        before = time.monotonic_ns()
        time.sleep(0.025 + n * 0.01)  # BAD: blocking-call 7
        spans.append(time.monotonic_ns() - before)
    print(sum(spans), max(spans))


either.run(main())
