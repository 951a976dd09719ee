# SPDX-License-Identifier: Apache-2.0
"""A C handler on an alternate stack of 8 KiB makes a slow call inside a callback."""
import asyncio
import ctypes
import sys

library = ctypes.PyDLL(sys.argv[1])


async def main():
    print(library.sleep_on_small_stack(ctypes.c_size_t(8192)))
    await asyncio.sleep(0)


asyncio.run(main())
