# SPDX-License-Identifier: Apache-2.0
"""Forks inside a running loop, six times; children run loops of their own, then the parent does.

CPython from 3.12 on warns when a process that forks has a second thread, so that under -W error
this program fails if anything started a thread in it."""
import asyncio
import os
import sys
import time

CHILDREN = 6


async def blocks_once():
    await asyncio.sleep(0)
    time.sleep(0.05)  # BAD: blocking-call 7


async def main():
    started = []
    for _ in range(CHILDREN):
        await asyncio.sleep(0.01)
        started.append(fork_one())
    return started


def fork_one():
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    # The parent's loop is no longer running here, whatever the module's memory says.
    asyncio._set_running_loop(None)
    asyncio.set_event_loop(None)
    status = 1
    try:
        asyncio.run(blocks_once())
        status = 0
    finally:
        os._exit(status)


pids = asyncio.run(main())
print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if hasattr(os, "waitstatus_to_exitcode")
       else os.waitpid(pid, 0)[1] for pid in pids])
asyncio.run(blocks_once())
