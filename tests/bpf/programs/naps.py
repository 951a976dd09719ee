# SPDX-License-Identifier: Apache-2.0
"""As sleeps.py, on its own: calls that wait for seven different times; says for how long, in ns."""
import asyncio
import time


async def main():
    spans = []
    for n in range(7):
        await asyncio.sleep(0.003)
        before = time.monotonic_ns()
        time.sleep(0.025 + n * 0.01)  # BAD: blocking-call 7
        spans.append(time.monotonic_ns() - before)
    print(sum(spans), max(spans))


asyncio.run(main())
