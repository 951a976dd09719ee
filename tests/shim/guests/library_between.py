# SPDX-License-Identifier: Apache-2.0
"""A library stands between this program and libc; the loop stalls, so that stacks are taken, and
its process forks, so that threads of others' end and begin."""
import asyncio
import os
import time


async def turns(n):
    for _ in range(n):
        await asyncio.sleep(0.0003)


async def main():
    await turns(211)
    time.sleep(0.3)
    sum(range(9_000_000))
    # Long enough for a thread of ours to go to sleep, and to be woken.
    await asyncio.sleep(0.4)
    pid = os.fork()
    if not pid:
        os._exit(0)
    print(os.waitpid(pid, 0)[1])
    await turns(97)
    print("ended")


asyncio.run(main())
