# SPDX-License-Identifier: Apache-2.0
"""A child forks a child that forks a child, each with a loop, from a thread beside a loop."""
import asyncio
import os
import sys
import threading


def generation(n):
    asyncio.run(asyncio.sleep(0.01))
    if n == 0:
        return 0
    pid = os.fork()
    if pid == 0:
        os._exit(generation(n - 1) + 1)
    return os.WEXITSTATUS(os.waitpid(pid, 0)[1])


async def main():
    loop = asyncio.get_running_loop()
    deepest = await loop.run_in_executor(None, generation, 3)
    print("generations", deepest)


if sys.version_info >= (3, 12):
    import warnings
    warnings.simplefilter("ignore")
asyncio.run(main())
