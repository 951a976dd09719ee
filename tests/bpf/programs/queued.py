# SPDX-License-Identifier: Apache-2.0
"""Computes on a CPU that another process wants as well; says how long it ran and was queued, in ns."""
import asyncio
import os
import subprocess
import sys
import time


def queued_ns():
    with open("/proc/thread-self/schedstat") as file:
        return int(file.read().split()[1])


def computes():
    ran, queued = time.thread_time_ns(), queued_ns()
    while time.thread_time_ns() - ran < 211_000_000:  # BAD: slow-callback
        pass
    print(time.thread_time_ns() - ran, queued_ns() - queued)


async def main():
    asyncio.get_running_loop().call_soon(computes)
    await asyncio.sleep(0.01)


os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
hog = subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE)
hog.stdout.readline()
try:
    asyncio.run(main())
finally:
    hog.kill()
    hog.communicate()
