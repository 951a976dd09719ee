# SPDX-License-Identifier: Apache-2.0
"""A socket is closed, and its number given to a file, by another thread during a call on it."""
import asyncio
import errno
import os
import socket
import threading


def take_away(one, number, is_waiting):
    is_waiting.wait()
    one.shutdown(socket.SHUT_RDWR)
    file = os.open(__file__, os.O_RDONLY)
    os.close(number)
    # Not the next open(): which number is the lowest is for the program's threads to race for.
    os.dup2(file, number)
    os.close(file)


async def main():
    for _ in range(13):
        one, two = socket.socketpair()
        one.settimeout(None)
        number, is_waiting = one.fileno(), threading.Event()
        thread = threading.Thread(target=take_away, args=(one, number, is_waiting))
        thread.start()
        is_waiting.set()
        try:
            print(one.recv(10))
        except OSError as error:
            # It was closed, or a file already, when the call began.
            gone = error.errno in (errno.EBADF, errno.ENOTSOCK)
            print(b"") if gone else print(error)
        thread.join()
        os.close(one.detach())
        two.close()
        await asyncio.sleep(0)
    for number in (-1, 1000000):
        for call in (os.fsync, os.fstat, os.fdatasync, os.close, lambda fd: os.read(fd, 1),
                     lambda fd: os.write(fd, b"x"), os.listdir if number > 0 else os.fsync):
            try:
                call(number)
            except (OSError, ValueError) as error:
                print(error)


asyncio.run(main())
