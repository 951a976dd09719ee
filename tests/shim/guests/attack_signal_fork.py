# SPDX-License-Identifier: Apache-2.0
"""A C signal handler forks while the loop is in its poll; the child goes on."""
import asyncio
import ctypes
import os
import sys

library = ctypes.CDLL(sys.argv[1])


async def main():
    library.fork_on_signal(ctypes.c_long(200))
    await asyncio.sleep(0.5)
    if library.fork_side() == 2:
        os._exit(5)


asyncio.run(main())
print(os.WEXITSTATUS(os.wait()[1]))
