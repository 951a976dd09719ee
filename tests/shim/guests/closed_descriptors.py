# SPDX-License-Identifier: Apache-2.0
"""Closes every descriptor it does not know, as daemons do, then runs loops."""
import asyncio
import errno
import fcntl
import os


def known(ask):
    """The descriptors that are there, as whoever looks for leaks asks."""
    found = []
    for fd in range(2048):
        try:
            ask(fd)
            found.append(fd)
        except OSError as error:
            assert error.errno == errno.EBADF
    return found


def close_all():
    for fd in range(3, 2048):
        try:
            os.close(fd)
        except OSError as error:
            assert error.errno == errno.EBADF
    os.closerange(3, 65536)


async def main():
    await asyncio.sleep(0.03)
    print(known(os.fstat), known(os.get_inheritable),
          known(lambda fd: fcntl.fcntl(fd, fcntl.F_GETFD)))
    reader, writer = os.pipe()
    # The highest numbers are handed out anew: somebody else's file must never be written to.
    for fd in range(880, 960):
        os.dup2(writer, fd)
    os.close(writer)
    await asyncio.sleep(0.4)
    os.closerange(880, 960)
    print(os.read(reader, 100))

close_all()
asyncio.run(main())
close_all()
asyncio.run(main())
