# SPDX-License-Identifier: Apache-2.0
"""A program with a loop enters namespaces, and unmounts the folder that it ran in: what the kernel
allows to a process of one thread. Which that is differs from machine to machine."""
import asyncio
import ctypes
import os
import tempfile

libc = ctypes.CDLL(None, use_errno=True)
CLONE_VM, CLONE_FS, CLONE_SIGHAND, CLONE_THREAD = 0x100, 0x200, 0x800, 0x10000
CLONE_NEWNS, CLONE_NEWTIME = 0x20000, 0x80
MS_REC, MS_PRIVATE = 0x4000, 0x40000


def say(what, result):
    print(what, result, ctypes.get_errno() if result else 0)


async def turns(n):
    for _ in range(n):
        await asyncio.sleep(0.0003)


async def share_nothing():
    for flag in (CLONE_VM, CLONE_SIGHAND, CLONE_THREAD, CLONE_FS):
        await turns(7)
        say("unshare", libc.unshare(flag))


async def enter_namespaces(often):
    for name, flag in [("time", CLONE_NEWTIME), ("mnt", CLONE_NEWNS), ("mnt", 0)] * often:
        await turns(3)
        try:
            fd = os.open(f"/proc/self/ns/{name}", os.O_RDONLY)
        except FileNotFoundError:
            print("no namespace", name)
            continue
        say(name, libc.setns(fd, flag))
        os.close(fd)


def unmount_folder():
    folder = tempfile.mkdtemp()
    say("unshare", libc.unshare(CLONE_NEWNS))
    say("private", libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    mounted = libc.mount(b"tmpfs", folder.encode(), b"tmpfs", 0, None)
    say("mount", mounted)
    os.chdir(folder)
    asyncio.run(turns(31))
    os.chdir("/")
    if not mounted:
        say("umount", libc.umount(folder.encode()))
    os.rmdir(folder)


asyncio.run(share_nothing())
asyncio.run(enter_namespaces(17))
unmount_folder()
