# SPDX-License-Identifier: Apache-2.0
"""A handler jumps out of a call: what is called afterwards in the same turn is a call all the same,
from the same place, from further out, and in the callbacks that follow."""
import asyncio
import ctypes
import sys
import time

library = ctypes.CDLL(sys.argv[1])


def deep(n, leaf):
    return deep(n - 1, leaf) if n else leaf()


def leaf():
    time.sleep(0.03)  # BAD: blocking-call 4


def jumps(has_stack):
    print(library.jump_out(3000, has_stack))


def jumps_deep_down(has_stack):
    min([7], key=lambda _: deep(5, lambda: jumps(has_stack)))


async def main():
    for has_stack in (0, 1):
        jumps(has_stack)
        library.nap(31000)  # BAD: blocking-call 2
        jumps_deep_down(has_stack)
        time.sleep(0.032)  # BAD: blocking-call 2
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        for function in (jumps, lambda _: deep(37, leaf), jumps, lambda _: deep(37, leaf)):
            loop.call_soon(function, has_stack)
        await asyncio.sleep(0)


asyncio.run(main())
