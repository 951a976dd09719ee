# SPDX-License-Identifier: Apache-2.0
"""What is O_NONBLOCK is told apart, through dup, fcntl, ioctl, close and reuse of the number."""
import array
import asyncio
import fcntl
import os
import socket
import termios


def pipe_of(byte):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.write(writer, byte)
    return reader, writer


async def duplicates():
    reader, writer = pipe_of(b"abcd")
    os.read(reader, 1)  # BAD: blocking-call 1
    twin = os.dup(reader)
    os.set_blocking(reader, False)
    os.read(twin, 1)
    os.set_blocking(twin, True)
    os.read(reader, 1)  # BAD: blocking-call 1
    fcntl.fcntl(reader, fcntl.F_SETFL, os.O_NONBLOCK)
    other = fcntl.fcntl(twin, fcntl.F_DUPFD_CLOEXEC, 100)
    os.read(other, 1)
    for fd in (reader, writer, twin, other):
        os.close(fd)


async def dup2():
    blocking, one = pipe_of(b"ab")
    not_blocking, two = pipe_of(b"ab")
    os.set_blocking(not_blocking, False)
    os.read(not_blocking, 1)
    os.dup2(blocking, not_blocking)
    os.read(not_blocking, 1)  # BAD: blocking-call 1
    for fd in (blocking, one, not_blocking, two):
        os.close(fd)


async def ioctl():
    reader, writer = pipe_of(b"ab")
    fcntl.ioctl(reader, termios.FIONBIO, array.array("i", [1]))
    os.read(reader, 1)
    fcntl.ioctl(reader, termios.FIONBIO, array.array("i", [0]))
    os.read(reader, 1)  # BAD: blocking-call 1
    os.close(reader)
    os.close(writer)


async def reuse():
    for _ in range(13):
        reader, writer = pipe_of(b"a")
        os.set_blocking(reader, False)
        os.read(reader, 1)
        os.close(reader)
        os.close(writer)
        again, writer = pipe_of(b"a")
        assert again == reader
        os.read(again, 1)  # BAD: blocking-call 13
        os.close(again)
        os.close(writer)


async def range_closed():
    reader, writer = pipe_of(b"a")
    os.set_blocking(reader, False)
    os.read(reader, 1)
    os.closerange(reader, writer + 1)
    again, writer = pipe_of(b"a")
    assert again == reader
    os.read(again, 1)  # BAD: blocking-call 1
    os.close(again)
    os.close(writer)


async def sockets():
    one, two = socket.socketpair()
    one.send(b"abc")  # BAD: blocking-call 1
    two.setblocking(False)
    two.recv(1)
    two.setblocking(True)
    two.recv(1)  # BAD: blocking-call 1
    two.recv(1, socket.MSG_DONTWAIT)
    one.sendall(b"a")  # BAD: blocking-call 1
    two.settimeout(5)
    two.recv(1)  # BAD: blocking-call 1
    one.close()
    two.close()


async def nothing_there():
    for fd in (-1, 1000000):
        try:
            os.read(fd, 1)
        except OSError:
            pass


async def main():
    for part in (duplicates, dup2, ioctl, reuse, range_closed, sockets, nothing_there):
        await part()


asyncio.run(main())
