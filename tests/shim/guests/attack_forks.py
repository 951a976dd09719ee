# SPDX-License-Identifier: Apache-2.0
"""Four threads in C fork at once, beside a loop."""
import asyncio
import ctypes
import sys

library = ctypes.CDLL(sys.argv[1])


async def main():
    loop = asyncio.get_running_loop()
    storm = loop.run_in_executor(None, library.fork_storm, 4, ctypes.c_long(53))
    while not storm.done():
        await asyncio.sleep(0.0005)
    print("ended")


asyncio.run(main())
