# SPDX-License-Identifier: Apache-2.0
"""Streams of uvloop that nobody closes: their deallocator says so, and cannot be asked any more."""
import asyncio
import gc

try:
    import uvloop
except ImportError:
    uvloop = asyncio


async def handle(reader, writer):
    writer.write(b"bye")
    writer.close()


async def ask(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await reader.read() == b"bye"


async def main():
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for _ in range(53):
        await ask(port)
    gc.collect()
    server.close()


loop = uvloop.new_event_loop()
loop.run_until_complete(main())
gc.collect()
loop.close()
print("done")
