# SPDX-License-Identifier: Apache-2.0
"""Blocks its loop until its code is as fast as it gets, says so, and when it is told to blocks it once more and is gone at once."""
import asyncio
import os
import signal
import sys
import time


async def main():
    for n in range(23):
        await asyncio.sleep(0.003)
        if n == 22:
            print("all but one", flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        time.sleep(0.022)  # BAD: blocking-call 23
    os.kill(os.getpid(), signal.SIGKILL)


asyncio.run(main())
