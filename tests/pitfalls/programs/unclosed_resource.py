# SPDX-License-Identifier: Apache-2.0
"""Connections, sockets and loops that nobody closes."""
import asyncio
import socket

import _loops
import anylib


async def plain(address):
    reader, writer = await asyncio.open_connection(*address)  # BAD: unclosed-resource 1
    writer.write(b"7")
    await writer.drain()


class Client:
    async def open(self, address):
        self.streams = await asyncio.open_connection(*address)  # BAD: unclosed-resource 1


async def helper(address):
    client = Client()
    await client.open(address)
    return client


async def three_calls_deep(address):
    await helper(address)


async def in_a_library(address):
    await anylib.connect(address)  # BAD: unclosed-resource 1


async def waits(address):
    reader, writer = await asyncio.open_connection(*address)  # BAD: unclosed-resource 1
    await reader.read(100)
    writer.close()


async def cancelled(address):
    task = asyncio.ensure_future(waits(address))
    while not anylib.is_waiting(task, "read"):
        await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass


async def transport_alone(address):
    await asyncio.get_running_loop().create_connection(  # BAD: unclosed-resource 1
        asyncio.Protocol, *address)


async def one_of_many(address, number):
    for _ in range(number % 3):
        await asyncio.sleep(0)
    reader, writer = await asyncio.open_connection(*address)  # BAD: unclosed-resource 23
    writer.write(b"7")


async def interleaved(address):
    await asyncio.gather(*(one_of_many(address, number) for number in range(23)))


def socket_alone():
    made = socket.socket()
    del made  # BAD: unclosed-resource 1


class Socket(socket.socket):
    pass


def derived_alone():
    made = Socket()
    del made  # BAD: unclosed-resource 1


async def sockets():
    for _ in range(23):
        made = socket.socket()  # BAD: unclosed-resource 22
        await asyncio.sleep(0)
    made.close()


async def main(address):
    for form in (plain, three_calls_deep, in_a_library, cancelled, transport_alone, interleaved):
        await form(address)
    socket_alone()
    derived_alone()
    await sockets()


# Nobody accepts, so that nobody closes from the other side.
server = socket.create_server(("127.0.0.1", 0), backlog=100)
_loops.run(main(server.getsockname()))
server.close()
print("done")
