# SPDX-License-Identifier: Apache-2.0
"""Correct: threads and children that do not live long, 211 and 23 of them; then waits to be told to end."""
import asyncio
import os
import sys
import threading
import time


def lives():
    time.sleep(0.001)


def bears():
    pid = os.fork()
    if pid == 0:
        time.sleep(0.001)
        os._exit(0)
    return pid


async def main():
    for _ in range(211):
        thread = threading.Thread(target=lives)
        thread.start()
        while thread.is_alive():
            await asyncio.sleep(0.0005)
    for _ in range(23):
        pid = bears()
        while not os.waitpid(pid, os.WNOHANG)[0]:
            await asyncio.sleep(0.0005)
    print("done", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


asyncio.run(main())
