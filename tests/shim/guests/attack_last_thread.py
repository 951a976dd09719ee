# SPDX-License-Identifier: Apache-2.0
"""The last thread of a process ends as a thread, not by exit(): the process ends with it."""
import asyncio
import ctypes
import os
import platform

EXIT = {"x86_64": 60, "aarch64": 93}[platform.machine()]


async def turns(n):
    for _ in range(n):
        await asyncio.sleep(0.0003)


for n in (7, 97):
    pid = os.fork()
    if not pid:
        asyncio.run(turns(n))
        ctypes.CDLL(None).syscall(EXIT, n)
    print(os.waitpid(pid, 0)[1] >> 8)
asyncio.run(turns(7))
print("ended", flush=True)
ctypes.CDLL(None).syscall(EXIT, 3)
