# SPDX-License-Identifier: Apache-2.0
"""The watchdog is kept from ending (by a debugger here; by a disk that hangs elsewhere) while its
process changes its users and forks: that is waited for once and not each time."""
import asyncio
import ctypes
import os
import time
import warnings

# It is a thread that CPython 3.12 sees and warns of: nothing can be done about that here.
warnings.simplefilter("ignore", DeprecationWarning)
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4
PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
PR_SET_PTRACER, PTRACER_ANY = 0x59616d61, ctypes.c_ulong(-1)
WALL = 0x40000000


async def turns(n):
    for _ in range(n):
        await asyncio.sleep(0.0003)


def watchdogs():
    for thread in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{thread}/comm") as name:
            if name.read() == "loophound\n":
                yield int(thread)


def hold(threads, to_go, is_held):
    """In a child: stop these threads of the parent until it lets go."""
    os.close(to_go[1])
    for thread in threads:
        if libc.ptrace(PTRACE_SEIZE, thread, 0, 0) or libc.ptrace(PTRACE_INTERRUPT, thread, 0, 0):
            print("cannot stop it:", ctypes.get_errno(), flush=True)
        else:
            os.waitpid(thread, WALL)
    os.write(is_held, b"1")
    os.read(to_go[0], 1)
    os._exit(0)


def fork():
    pid = os.fork()
    if not pid:
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


async def main():
    to_go, (held, is_held), (threads, to_stop) = os.pipe(), os.pipe(), os.pipe()
    libc.prctl(PR_SET_PTRACER, PTRACER_ANY)
    helper = os.fork()
    if not helper:
        hold([int(thread) for thread in os.read(threads, 4096).split()], to_go, is_held)
    await turns(31)
    os.write(to_stop, " ".join(["", *map(str, watchdogs()), ""]).encode())
    os.read(held, 1)
    began = time.monotonic()
    for step in [fork, lambda: os.seteuid(os.geteuid())] * 3:
        step()
        await turns(7)
    print("waited too long" if time.monotonic() - began > 3 else "went on")
    os.close(to_go[1])
    os.waitpid(helper, 0)
    await turns(31)
    fork()
    await turns(31)


asyncio.run(main())
