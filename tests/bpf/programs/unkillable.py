# SPDX-License-Identifier: Apache-2.0
"""Starts a program that cannot start for a while, where no signal ends the wait; says how long, in ns.

The child opens a pipe that nobody writes to yet, and vfork() has its parent wait for its exec().
"""
import asyncio
import os
import subprocess
import tempfile
import time

folder = tempfile.mkdtemp()
fifo = os.path.join(folder, "fifo")
os.mkfifo(fifo)


def spawns():
    opener = subprocess.Popen(["/bin/sh", "-c", f"sleep 0.061; : >{fifo}"])
    before = time.monotonic_ns()
    pid = os.posix_spawn("/bin/true", ["true"], {},
                         file_actions=[(os.POSIX_SPAWN_OPEN, 0, fifo, os.O_RDONLY, 0)])  # BAD: blocking-call 5
    took = time.monotonic_ns() - before
    os.waitpid(pid, 0)
    opener.wait()
    return took


async def main():
    took = 0
    for _ in range(5):
        await asyncio.sleep(0.003)
        took += spawns()
    print(took)
    os.unlink(fifo)
    os.rmdir(folder)


asyncio.run(main())
