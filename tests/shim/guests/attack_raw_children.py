# SPDX-License-Identifier: Apache-2.0
"""Children made behind libc's back fork, poll and run loops of their own."""
import asyncio
import ctypes
import os
import platform

SYS_CLONE = {"x86_64": 56, "aarch64": 220}[platform.machine()]
SIGCHLD = 17
libc = ctypes.PyDLL(None)


def fork_again():
    asyncio._set_running_loop(None)
    pid = os.fork()
    if pid == 0:
        os._exit(3)
    return os.WEXITSTATUS(os.waitpid(pid, 0)[1])


def poll_nothing():
    libc.epoll_wait(-1, None, 0, 0)
    return 5


def run_a_loop():
    asyncio._set_running_loop(None)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(asyncio.sleep(0.03))
    return 7


async def main():
    for what in (fork_again, poll_nothing, run_a_loop):
        await asyncio.sleep(0.03)
        pid = libc.syscall(SYS_CLONE, SIGCHLD, 0, 0, 0, 0)
        if pid == 0:
            os._exit(what())
        status = await asyncio.get_running_loop().run_in_executor(None, os.waitpid, pid, 0)
        print(what.__name__, os.WEXITSTATUS(status[1]))


asyncio.run(main())
