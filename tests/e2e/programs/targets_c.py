# SPDX-License-Identifier: Apache-2.0
"""Waits for what C programs wait for, and says for what, as targets.py does."""
import asyncio
import ctypes
import os
import socket
import struct
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
SPAN = 0.1
said = []


class Timed:
    def __init__(self, call, target):
        self.call, self.target = call, target

    def __enter__(self):
        self.start = time.perf_counter_ns()

    def __exit__(self, *_):
        said.append(f"{self.call}\t{self.target}\t{time.perf_counter_ns() - self.start}")


def hold(lock, is_held):
    libc.pthread_mutex_lock(lock)
    is_held.set()
    time.sleep(SPAN)
    libc.pthread_mutex_unlock(lock)


async def locked():
    lock, deadline = ctypes.create_string_buffer(64), struct.pack("qq", 1 << 40, 0)
    is_held = threading.Event()
    thread = threading.Thread(target=hold, args=(lock, is_held))
    await asyncio.to_thread(thread.start)
    await asyncio.to_thread(is_held.wait)
    with Timed("pthread_mutex_timedlock", f"lock of thread {thread.native_id}"):
        libc.pthread_mutex_timedlock(lock, deadline)  # BAD: blocking-call 1
    libc.pthread_mutex_unlock(lock)
    # Free now: no call.
    libc.pthread_mutex_timedlock(lock, deadline)
    libc.pthread_mutex_unlock(lock)
    await asyncio.to_thread(thread.join)


async def queue():
    name = f"/loophound-{os.getpid()}".encode()
    queue = libc.mq_open(name, os.O_CREAT | os.O_RDWR, 0o600, None)
    libc.mq_unlink(name)
    message = ctypes.create_string_buffer(8192)
    timer = threading.Timer(SPAN, libc.mq_send, (queue, b"x", 1, 0))
    timer.start()
    with Timed("mq_receive", os.readlink(f"/proc/self/fd/{queue}")):
        assert libc.mq_receive(queue, message, len(message), None) == 1  # BAD: blocking-call 1
    libc.mq_close(queue)
    await asyncio.to_thread(timer.join)


async def lingering_socket():
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 1))
    client.setblocking(False)
    try:
        while True:
            client.send(b"x" * 65536)
    except BlockingIOError:
        pass
    with Timed("close", None):
        client.close()  # BAD: blocking-call 1
    listener.close()


async def main():
    await locked()
    await queue()
    await lingering_socket()

asyncio.run(main())
print("\n".join(said))
