# SPDX-License-Identifier: Apache-2.0
"""Computes, and is stopped for a while in the middle of it; says how long it ran, in ns."""
import asyncio
import os
import signal
import time

PAUSE = """
kill -STOP $1
sleep 0.311
kill -CONT $1
"""

import either


def computes():
    ran = time.thread_time_ns()
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", PAUSE, "sh", str(os.getpid())], os.environ)
    while time.thread_time_ns() - ran < 151_000_000:  # BAD: slow-callback
        pass
    print(time.thread_time_ns() - ran)
    os.waitpid(pid, 0)


async def main():
    await asyncio.sleep(0.01)
    asyncio.get_running_loop().call_soon(computes)
    await asyncio.sleep(0.01)


either.run(main())
