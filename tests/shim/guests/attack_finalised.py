# SPDX-License-Identifier: Apache-2.0
"""A daemon thread's loop is in a blocking call that returns after Python has been finalised."""
import asyncio
import ctypes
import sys
import threading
import time

libc = ctypes.CDLL(None)
libc.on_exit(libc.sleep, None)  # exit(1) sleeps for a second, after Py_Finalize()


def deep(n):
    if n:
        return deep(n - 1)
    time.sleep(0.8)


async def main():
    deep(50)

threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
time.sleep(0.3)
sys.exit(1)
