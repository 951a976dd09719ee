# SPDX-License-Identifier: Apache-2.0
"""The same waits, by what the loop has for them, or on another thread."""
# NEEDS: blocking-call=20ms
import asyncio
import functools
import socket
import threading
import time

import _loops


async def sleeps():
    await asyncio.sleep(0.031)


async def many_sleep():
    await asyncio.gather(*(asyncio.sleep(0.031) for _ in range(23)))


async def in_an_executor():
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.run_in_executor(None, time.sleep, 0.031) for _ in range(3)))


async def answers(reader, writer):
    assert await reader.read(1) == b"7"
    await asyncio.sleep(0.031)
    writer.write(b"7")
    writer.close()


async def on_a_connection():
    server = await asyncio.start_server(answers, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"7")
    assert await reader.read(1) == b"7"
    writer.close()
    server.close()
    await server.wait_closed()


async def on_a_socket_that_does_not_wait():
    one, other = socket.socketpair()
    one.setblocking(False)
    loop = asyncio.get_running_loop()
    loop.call_later(0.031, functools.partial(other.send, b"7"))
    with one, other:
        assert await loop.sock_recv(one, 1) == b"7"


async def on_locks():
    lock = asyncio.Lock()

    async def holds():
        async with lock:
            await asyncio.sleep(0.031)

    await asyncio.gather(holds(), holds())
    free = threading.Lock()
    with free:
        assert not free.acquire(blocking=False)


for form in (sleeps, many_sleep, in_an_executor, on_a_connection, on_a_socket_that_does_not_wait,
             on_locks):
    _loops.run(form())
time.sleep(0.031)
print("done")
