# SPDX-License-Identifier: Apache-2.0
"""Threads fork, and in the child their function returns: it ends with its last thread, and not later."""
import asyncio
import os
import threading
import time
import warnings


async def turns():
    for _ in range(11):
        await asyncio.sleep(0)


def child(depth, has_thread):
    asyncio.run(turns())
    if has_thread:
        threading.Thread(target=lambda: (time.sleep(0.05), asyncio.run(turns()))).start()
    if depth and not os.fork():
        child(depth - 1, has_thread)
    elif depth:
        print(os.wait()[1], flush=True)


def forks(depth, has_thread):
    asyncio.run(turns())
    pid = os.fork()
    if not pid:
        child(depth, has_thread)
        return
    print(os.waitpid(pid, 0)[1], flush=True)


# From 3.12 on each fork in a thread is one, with a pid in it.
warnings.simplefilter("ignore")
asyncio.run(turns())
for depth in range(3):
    for has_thread in (False, True):
        thread = threading.Thread(target=forks, args=(depth, has_thread))
        thread.start()
        thread.join()
