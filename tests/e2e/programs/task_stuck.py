# SPDX-License-Identifier: Apache-2.0
"""A named task that never comes back, in a process that is killed meanwhile."""
import asyncio
import os
import signal
import threading
import time

STALLS = threading.Event()


async def forever():
    STALLS.set()
    while True:  # BAD: stuck 1
        pass


async def outer():
    await forever()


async def main():
    await asyncio.create_task(outer(), name="the last one")


def kill():
    """A stall counts when it has lasted for a while."""
    STALLS.wait()
    time.sleep(0.7)
    os.kill(os.getpid(), signal.SIGKILL)


threading.Thread(target=kill, daemon=True).start()
asyncio.run(main())
