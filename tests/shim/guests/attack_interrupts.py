# SPDX-License-Identifier: Apache-2.0
"""Every wait is interrupted by a handler that makes hooked calls itself."""
import asyncio
import ctypes
import sys

library = ctypes.CDLL(sys.argv[1])


async def main():
    for _ in range(3):
        await asyncio.sleep(0)
        print(library.interrupt_storm(307))


asyncio.run(main())
