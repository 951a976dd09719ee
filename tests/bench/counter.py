# SPDX-License-Identifier: Apache-2.0
"""Counter: the instructions a program and its threads ran in user space, by the processor's count.

See perf_event_open(2). Exact to what an interrupt adds, on a busy machine too, but not given in every
virtual machine, and to nobody where kernel.perf_event_paranoid is above 2.
"""
import ctypes
import os
import platform
import socket
import struct
import subprocess

SYSCALLS = {"x86_64": 298, "aarch64": 241}
PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS = 0, 1
# disabled, inherit, exclude_kernel, exclude_hv, enable_on_exec: linux/perf_event.h.
FLAGS = 1 << 0 | 1 << 1 | 1 << 5 | 1 << 6 | 1 << 12
ATTR_BYTES = 112


def _open():
    """A counter of this thread that begins with its exec; a descriptor."""
    attr = struct.pack(
        "IIQQQQQ", PERF_TYPE_HARDWARE, ATTR_BYTES, PERF_COUNT_HW_INSTRUCTIONS, 0, 0, 0, FLAGS)
    buf = ctypes.create_string_buffer(attr, ATTR_BYTES)
    fd = ctypes.CDLL(None, use_errno=True).syscall(
        SYSCALLS[platform.machine()], buf, 0, -1, -1, 0)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "perf_event_open")
    return fd


def is_there():
    try:
        os.close(_open())
    except (OSError, KeyError):
        return False
    return True


def instructions(argv, env):
    here, there = socket.socketpair()
    with here, there:
        def count_me():
            fd = _open()
            socket.send_fds(there, [b"x"], [fd])
            os.close(fd)

        process = subprocess.Popen(
            argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            preexec_fn=count_me,
        )
        _, (fd,), _, _ = socket.recv_fds(here, 1, 1)
        try:
            assert process.wait(120) == 0, argv
            return struct.unpack("Q", os.read(fd, 8))[0]
        finally:
            os.close(fd)
