# SPDX-License-Identifier: Apache-2.0
"""Connections with all of the stack in use but for some KB, on the first thread and on small ones."""
import asyncio
import ctypes
import sys
import threading

library = ctypes.PyDLL(sys.argv[1])


async def deep(left_kib):
    print(left_kib, library.connect_near_stack_end(ctypes.c_size_t(left_kib * 1024)), flush=True)


def run():
    for left_kib in (3, 5, 7, 11, 13, 17, 19, 23):
        asyncio.run(deep(left_kib))


threading.stack_size(256 * 1024)
thread = threading.Thread(target=run)
thread.start()
thread.join()
run()
