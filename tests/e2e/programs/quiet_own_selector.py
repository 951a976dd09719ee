# SPDX-License-Identifier: Apache-2.0
"""Correct: a selector of the program's own, polled on this thread before and between its loops."""
import asyncio
import selectors
import socket
import time

import either


def burn(seconds):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def poll_own():
    one, other = socket.socketpair()
    selector = selectors.DefaultSelector()
    selector.register(one, selectors.EVENT_READ)
    for _ in range(3):
        other.send(b"x")
        selector.select()
        one.recv(1)
        burn(0.15)
        selector.select(0.12)
    selector.close()
    one.close()
    other.close()


async def main():
    for _ in range(11):
        await asyncio.sleep(0.01)


poll_own()
either.run(main())
poll_own()
either.run(main())
