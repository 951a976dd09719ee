# SPDX-License-Identifier: Apache-2.0
"""Calls with pointers that lead nowhere, descriptors that are none, streams without one: the same
result and the same errno, on the thread of a loop."""
import asyncio
import ctypes
import errno
import os
import resource

libc = ctypes.CDLL(None, use_errno=True)
NOWHERE = ctypes.c_void_p(8)
AT_FDCWD = -100
TIMER_ABSTIME = 1
LONG = b"x" * 4095
DEEP = b"/x" * 2048


def tell(name, *args, restype=ctypes.c_int):
    function = getattr(libc, name)
    function.restype = restype
    ctypes.set_errno(errno.EXDEV)
    result = function(*args)
    if restype is ctypes.c_void_p:
        result = bool(result)
    print(name, result, errno.errorcode.get(ctypes.get_errno()), flush=True)


def paths():
    buf = ctypes.create_string_buffer(8192)
    for path in (NOWHERE, None, LONG, DEEP, b""):
        for name in ("rmdir", "unlink", "remove", "chdir"):
            tell(name, path)
        for name in ("open", "open64", "access", "mkdir", "chmod", "mkfifo", "creat", "truncate"):
            tell(name, path, 0, 0)
        for name in ("stat", "lstat", "statfs", "statvfs", "rename", "link", "symlink"):
            if path is not None or name == "rename":
                tell(name, path, NOWHERE)
        for name in ("openat", "openat64", "faccessat", "fstatat", "unlinkat", "mkdirat"):
            tell(name, AT_FDCWD, path, 0, 0)
            tell(name, 1 << 30, path, 0, 0)
        tell("statx", AT_FDCWD, path, 0, 0, NOWHERE)
        tell("readlink", path, buf, 8192)
        tell("chown", path, -1, -1)
        if isinstance(path, bytes):
            tell("realpath", path, buf, restype=ctypes.c_void_p)


def descriptors():
    for fd in (-1, -(1 << 31), 1 << 20, (1 << 31) - 1):
        for name in ("close", "dup", "fsync", "fdatasync", "syncfs"):
            tell(name, fd)
        tell("read", fd, NOWHERE, 1)
        tell("write", fd, NOWHERE, 1)
        tell("fcntl", fd, 3, 0)
        tell("fcntl", fd, 4, 0o4000)
        tell("fcntl", fd, 7, NOWHERE)
        tell("ioctl", fd, 0x5421, NOWHERE)
        tell("accept4", fd, NOWHERE, NOWHERE, 0o4000)
        tell("connect", fd, NOWHERE, 16)
        tell("dup2", 0, fd if fd < 0 else fd | 1 << 30)
        tell("dup3", 0, fd if fd < 0 else fd | 1 << 30, 0)
        tell("epoll_wait", fd, NOWHERE, 1, 1)
        tell("syscall", ctypes.c_long(232), ctypes.c_long(fd), NOWHERE, 1, 1)
        tell("syscall", ctypes.c_long(426), ctypes.c_long(fd), 1, 1, 1, 0, 0)
    pipe = os.pipe()
    tell("ioctl", pipe[0], 0x5421, NOWHERE)
    tell("fcntl", pipe[0], 7, NOWHERE)
    tell("read", pipe[0], NOWHERE, 0)
    tell("readv", pipe[0], NOWHERE, 1)
    os.close(pipe[0])
    os.close(pipe[1])


def far_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    far = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1048576) - 1
    tell("dup2", 0, far)
    tell("fcntl", far, 3)
    tell("close", far)


def waits():
    span = (ctypes.c_long * 2)(0, 1000)
    epoll_fd = os.open("/dev/null", os.O_RDONLY)
    tell("epoll_pwait2", epoll_fd, NOWHERE, 1, NOWHERE, None)
    tell("epoll_pwait", epoll_fd, NOWHERE, 1, 1, NOWHERE)
    os.close(epoll_fd)
    tell("nanosleep", NOWHERE, None)
    tell("clock_nanosleep", 1, 0, NOWHERE, None)
    tell("clock_nanosleep", 1, TIMER_ABSTIME, NOWHERE, None)
    tell("clock_nanosleep", 12345, TIMER_ABSTIME, span, None)
    tell("poll", NOWHERE, 1, 1)
    tell("select", 1, NOWHERE, None, None, span)
    tell("waitpid", 1 << 30, NOWHERE, 0)
    tell("waitpid", -1, NOWHERE, 0)
    tell("wait4", -1, NOWHERE, 0, NOWHERE)
    tell("semop", -1, NOWHERE, 1)
    tell("msgrcv", -1, NOWHERE, 1, 0, 0)
    tell("syscall", ctypes.c_long(202), NOWHERE, 0, 0, span, 0, 0)


def streams():
    libc.fmemopen.restype = libc.tmpfile.restype = ctypes.c_void_p
    buf = ctypes.create_string_buffer(64)
    tell("fclose", ctypes.c_void_p(libc.fmemopen(buf, ctypes.c_size_t(64), b"r+")))
    stream = ctypes.c_void_p(libc.fmemopen(buf, ctypes.c_size_t(64), b"r+"))
    tell("fwrite", b"abc", 1, 3, stream)
    tell("fread", buf, 1, 3, stream)
    tell("fgets", buf, 3, stream, restype=ctypes.c_void_p)
    tell("fflush", stream)
    tell("fclose", stream)
    tell("fclose", ctypes.c_void_p(libc.tmpfile()))
    tell("fflush", None)


def names():
    found = ctypes.c_void_p()
    tell("getaddrinfo", None, None, None, ctypes.byref(found))
    tell("getaddrinfo", None, b"80", None, ctypes.byref(found))
    tell("getaddrinfo", b"127.0.0.1", None, None, ctypes.byref(found))
    tell("getpwnam", b"", restype=ctypes.c_void_p)


def hidden():
    """None is to be found beside the program's own."""
    buf = ctypes.create_string_buffer(512)
    print([fd for fd in range(1024) if not libc.__fxstat(1, fd, buf)])
    print([fd for fd in range(1024) if not libc.__fxstat64(1, fd, buf)])
    print([fd for fd in range(1024) if libc.fcntl(fd, 1) >= 0])


async def main():
    for part in (hidden, paths, descriptors, far_descriptors, waits, streams, names):
        print(part.__name__)
        part()
        await asyncio.sleep(0.001)


asyncio.run(main())
