# SPDX-License-Identifier: Apache-2.0
"""Correct: one loop run again and again, with work between the runs."""
import asyncio
import sys
import time


def burn(seconds):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


if sys.argv[-1] == "uvloop":
    import uvloop

    loop = uvloop.new_event_loop()
else:
    loop = asyncio.new_event_loop()

for _ in range(5):
    loop.run_until_complete(asyncio.sleep(0.01))
    time.sleep(0.15)
    burn(0.15)
loop.close()
