# SPDX-License-Identifier: Apache-2.0
"""Servers with many connections, each of which has its task: that is no flood of anybody's line."""
# NEEDS: task-flood=101
import asyncio
import socket

import _loops
import anylib

N = 131


async def connect(server, count):
    """Connections one after the other, and then the end of all."""
    address = server.sockets[0].getsockname()
    clients = []
    for number in range(N):
        clients.append(socket.create_connection(address))
        while count() <= number:
            await asyncio.sleep(0)
    for client in clients:
        client.close()
    while count():
        await asyncio.sleep(0.001)
    server.close()
    await server.wait_closed()


async def of_streams():
    open_ones = set()

    async def answer(reader, writer):
        open_ones.add(writer)
        await reader.read()
        open_ones.discard(writer)
        writer.close()

    await connect(await asyncio.start_server(answer, "127.0.0.1", 0, backlog=N),
                  lambda: len(open_ones))


async def of_a_library():
    open_ones = set()

    class Connection(anylib.Connection):
        def connection_lost(self, error):
            super().connection_lost(error)
            open_ones.discard(self)

    def make():
        made = Connection()
        open_ones.add(made)
        return made

    loop = asyncio.get_running_loop()
    await connect(await loop.create_server(make, "127.0.0.1", 0, backlog=N),
                  lambda: len(open_ones))


for form in (of_streams, of_a_library):
    _loops.run(form())
loop = _loops.new_loop()
loop.run_until_complete(of_a_library())
loop.close()
print("done")
