# SPDX-License-Identifier: Apache-2.0
"""Calls that wait while the loop waits for them."""
# NEEDS: blocking-call=20ms
import asyncio
import socket
import threading
import time

import _loops
import anylib


async def plain():
    time.sleep(0.031)  # BAD: blocking-call 1


def third():
    time.sleep(0.031)  # BAD: blocking-call 1


def second():
    return third()


async def three_calls_deep():
    await asyncio.sleep(0)
    second()


async def in_a_library():
    anylib.call(time.sleep, 0.031)  # BAD: blocking-call 1


async def one_of_many(number):
    for _ in range(number % 5):
        await asyncio.sleep(0)
    time.sleep(0.023)  # BAD: blocking-call 23
    await asyncio.sleep(0)


async def interleaved():
    await asyncio.gather(*map(one_of_many, range(23)))


def answers(listener):
    """Each byte is answered after a while."""
    connection, _ = listener.accept()
    with connection:
        while connection.recv(1):
            time.sleep(0.031)
            connection.send(b"7")


async def on_a_socket(peer):
    for _ in range(3):
        peer.send(b"7")
        assert peer.recv(1) == b"7"  # BAD: blocking-call 3


async def on_a_lock(lock):
    with lock:  # BAD: blocking-call 1
        pass


def holds(lock, held):
    with lock:
        held.set()
        time.sleep(0.1)


for form in (plain, three_calls_deep, in_a_library, interleaved):
    _loops.run(form())
with socket.create_server(("127.0.0.1", 0)) as listener:
    thread = threading.Thread(target=answers, args=(listener,))
    thread.start()
    with socket.create_connection(listener.getsockname()) as peer:
        _loops.run(on_a_socket(peer))
    thread.join()
lock, held = threading.Lock(), threading.Event()
thread = threading.Thread(target=holds, args=(lock, held))
thread.start()
held.wait()
_loops.run(on_a_lock(lock))
thread.join()
print("done")
