# SPDX-License-Identifier: Apache-2.0
"""Says again what uvloop said of transports that are gone by then, as who catches warnings does."""
import asyncio
import gc
import warnings

try:
    import uvloop
except ImportError:
    uvloop = asyncio

said = []


def show(message, category, filename, lineno, file=None, line=None):
    said.append(str(message))


async def handle(reader, writer):
    writer.write(b"bye")
    writer.close()


async def ask(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await reader.read() == b"bye"


def say_again(texts):
    for text in texts:
        warnings.warn(text, ResourceWarning)


async def main():
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for _ in range(23):
        await ask(port)
    gc.collect()
    texts = list(said)
    say_again(texts)
    filled = [bytearray(400) for _ in range(1000)]
    say_again(texts)
    del filled
    say_again(texts)
    server.close()


warnings.simplefilter("always")
warnings.showwarning = show
loop = uvloop.new_event_loop()
loop.run_until_complete(main())
gc.collect()
loop.close()
print("done")
