# SPDX-License-Identifier: Apache-2.0
"""Connections, sockets and loops that are closed, whatever happens; and what is not theirs."""
import asyncio
import os
import socket
import warnings

import _loops



async def answer(reader, writer):
    try:
        while True:
            text = await reader.read(100)
            if not text:
                break
            writer.write(text)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def closed_at_once(address):
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"7")
    assert await reader.read(1) == b"7"
    writer.close()
    await writer.wait_closed()


async def closed_when_cancelled(address, ready):
    reader, writer = await asyncio.open_connection(*address)
    try:
        ready.set()
        await reader.read(100)
    finally:
        writer.close()


async def cancelled(address):
    ready = asyncio.Event()
    task = asyncio.ensure_future(closed_when_cancelled(address, ready))
    await ready.wait()
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass


async def many(address):
    for _ in range(3):
        await asyncio.gather(*(closed_at_once(address) for _ in range(23)))


class Protocol(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(b"7")

    def data_received(self, data):
        self.data = data

    def connection_lost(self, error):
        self.closed.set_result(None)


async def transport(address):
    loop = asyncio.get_running_loop()
    protocol = Protocol()
    protocol.closed = loop.create_future()
    made, _ = await loop.create_connection(lambda: protocol, *address)
    made.close()
    await protocol.closed


async def sockets():
    with socket.socket():
        await asyncio.sleep(0)
    one, other = socket.socketpair()
    one.close()
    os.close(other.detach())


async def child():
    process = await asyncio.create_subprocess_exec(
        "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate(b"7")
    assert said == b"7"


async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    await closed_at_once(address)
    await cancelled(address)
    await many(address)
    await transport(address)
    await sockets()
    await child()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.warn("unclosed case", UserWarning)
        warnings.warn("a child still runs", ResourceWarning, source=server)
    server.close()
    await server.wait_closed()


_loops.run(main())
loop = _loops.new_loop()
loop.run_until_complete(sockets())
loop.close()
print("done")
