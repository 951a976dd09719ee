# SPDX-License-Identifier: Apache-2.0
"""A handler makes hooked calls that take their time, wherever the loop's thread is: in the
interpreter's own code, and in a guest's between two callbacks."""
import asyncio
import ctypes
import os
import sys
import time

library = ctypes.CDLL(sys.argv[1])


def deep(n, leaf):
    return deep(n - 1, leaf) if n else leaf()


def leaf():
    os.stat("/")
    time.sleep(0.000001)


async def main():
    print(library.handler_calls(ctypes.c_long(997)))
    end = time.monotonic() + 1.5
    n = 0
    while time.monotonic() < end:
        n += 1
        deep(n % 97, leaf)
        [str(i) for i in range(n % 31)]
        await asyncio.sleep(0.0001 if n % 5 == 0 else 0)
    print(library.handler_rest())


asyncio.run(main())
