# SPDX-License-Identifier: Apache-2.0
"""Touches a page that its child, to whom page faults are left, fills late; says how late, in ns.

userfaultfd(2): UFFDIO_API 0xc018aa3f, UFFDIO_REGISTER 0xc020aa00, UFFDIO_COPY 0xc028aa03.
"""
import asyncio
import ctypes
import fcntl
import mmap
import os
import signal
import struct
import time

PAGE = 4096
memory = mmap.mmap(-1, PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
libc = ctypes.CDLL(None, use_errno=True)


def begin():
    fd = libc.syscall(323, os.O_CLOEXEC)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "userfaultfd")
    fcntl.ioctl(fd, 0xC018AA3F, struct.pack("QQQ", 0xAA, 0, 0))
    fcntl.ioctl(fd, 0xC020AA00, struct.pack("QQQQ", address, PAGE, 1, 0))
    return fd


def serve(fd):
    os.read(fd, 32)
    time.sleep(0.137)
    page = ctypes.create_string_buffer(b"x" * PAGE)
    fcntl.ioctl(fd, 0xC028AA03, struct.pack("QQQQQ", address, ctypes.addressof(page), PAGE, 0, 0))


def touches():
    before = time.monotonic_ns()
    memory[0]  # BAD: slow-callback
    print(time.monotonic_ns() - before)


async def main():
    await asyncio.sleep(0.01)
    asyncio.get_running_loop().call_soon(touches)
    await asyncio.sleep(0.01)


fd = begin()
child = os.fork()
if not child:
    serve(fd)
    os._exit(0)
os.close(fd)
try:
    asyncio.run(main())
finally:
    os.waitpid(child, 0)
