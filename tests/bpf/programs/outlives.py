# SPDX-License-Identifier: Apache-2.0
"""A thread that goes on when its interpreter is gone: exit() lets the C library sleep last of all."""
import asyncio
import ctypes
import time


async def main():
    for _ in range(3):
        await asyncio.sleep(0.003)
        time.sleep(0.025)  # BAD: blocking-call 3


libc = ctypes.CDLL(None)
libc.__cxa_atexit(libc.usleep, ctypes.c_void_p(50000), None)
asyncio.run(main())
