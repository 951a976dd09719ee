# SPDX-License-Identifier: Apache-2.0
"""The numbers of the files a program opens are the lowest that are free."""
import asyncio
import os
import time


async def main():
    time.sleep(0.06)
    await asyncio.sleep(0.1)
    print([os.open("/dev/null", os.O_RDONLY) for _ in range(5)])

print([os.open("/dev/null", os.O_RDONLY) for _ in range(5)])
asyncio.run(main())
