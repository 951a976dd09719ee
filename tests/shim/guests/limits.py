# SPDX-License-Identifier: Apache-2.0
"""Runs a loop, after it has taken away from itself what its argument says."""
import asyncio
import resource
import sys


def restrict(what):
    if what == "descriptors":
        resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))
    elif what == "threads":
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    elif what == "memory":
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 19), used + (1 << 19)))
    elif what == "files":
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


async def main():
    for _ in range(7):
        await asyncio.sleep(0.02)

restrict(sys.argv[1])
asyncio.run(main())
print("ended")
