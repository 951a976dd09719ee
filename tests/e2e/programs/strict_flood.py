# SPDX-License-Identifier: Apache-2.0
"""Makes very many short calls: the counts stay exact and nothing is lost."""
import asyncio
import os
import sys


def deep(n):
    if n:
        deep(n - 1)
    os.access("/", os.R_OK)  # BAD: blocking-call 40200


async def main():
    fd = os.open(sys.argv[0], os.O_RDONLY)  # BAD: blocking-call 1
    for _ in range(100003):
        os.pread(fd, 1, 0)  # BAD: blocking-call 100003
    for number in range(30011):
        os.lseek(fd, 0, os.SEEK_SET)
        os.read(fd, 16)  # BAD: blocking-call 30011
        if number % 7 == 0:
            await asyncio.sleep(0)
    os.close(fd)
    # More stacks than are kept at once, but for what differs in depth alone.
    for _ in range(200):
        deep(200)


asyncio.run(main())
print("ended")
