# SPDX-License-Identifier: Apache-2.0
"""Waits by system calls that no function of the C library makes: `raw.py LIBRARY`; says how long, in ns."""
import asyncio
import ctypes
import errno
import os
import sys
import time

SPAN_NS = 30000000
released = ctypes.CDLL(sys.argv[1])
held = ctypes.PyDLL(sys.argv[1])
# The first call waits for Go's own threads.
ring = released.raw_ring()
assert ring >= 0, os.strerror(-ring)


async def main():
    took = [0, 0, 0]
    for _ in range(5):
        await asyncio.sleep(0.003)
        before = time.monotonic_ns()
        assert released.raw_sleep(ctypes.c_long(SPAN_NS)) == 0  # BAD: blocking-call 5
        took[0] += time.monotonic_ns() - before
    for _ in range(3):
        await asyncio.sleep(0.003)
        before = time.monotonic_ns()
        assert held.raw_sleep(ctypes.c_long(SPAN_NS)) == 0  # BAD: blocking-call 3
        took[1] += time.monotonic_ns() - before
    for _ in range(7):
        await asyncio.sleep(0.003)
        before = time.monotonic_ns()
        seen = held.raw_enter(ring, ctypes.c_long(SPAN_NS))  # BAD: blocking-call 7
        took[2] += time.monotonic_ns() - before
        assert seen == -errno.ETIME, os.strerror(-seen)
    os.close(ring)
    print(*took)


asyncio.run(main())
