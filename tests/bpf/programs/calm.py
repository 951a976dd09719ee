# SPDX-License-Identifier: Apache-2.0
"""Nothing lasts for two seconds; then one callback works, the first of its turn or the second, after
one as short as most are or after a long one.

`calm.py first|second|second-after-long` says for how long, in ns.
"""
import asyncio
import sys
import time


def spends(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def works():
    before = time.monotonic_ns()
    until = time.thread_time() + 0.151
    while time.thread_time() < until: pass  # BAD: slow-callback 1
    print(time.monotonic_ns() - before)


async def main():
    loop = asyncio.get_running_loop()
    until = time.monotonic() + 2
    while time.monotonic() < until:
        await asyncio.sleep(0.001)
    if sys.argv[1] != "first":
        loop.call_soon(spends, 0.003 if sys.argv[1] == "second-after-long" else 0.0001)
    loop.call_soon(works)
    await asyncio.sleep(0.2)


asyncio.run(main())
