# SPDX-License-Identifier: Apache-2.0
"""Correct: beside the loop, a plain thread with a selector works for 300 ms between its polls."""
import asyncio
import selectors
import socket
import threading
import time

import either


def burn(seconds):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def work(one, other):
    selector = selectors.DefaultSelector()
    selector.register(one, selectors.EVENT_READ)
    for _ in range(3):
        other.send(b"x")
        selector.select()
        one.recv(1)
        burn(0.3)
        time.sleep(0.3)
    selector.close()


async def main():
    one, other = socket.socketpair()
    thread = threading.Thread(target=work, args=(one, other))
    thread.start()
    while thread.is_alive():
        await asyncio.sleep(0.01)
    thread.join()
    one.close()
    other.close()


either.run(main())
