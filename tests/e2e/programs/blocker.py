# SPDX-License-Identifier: Apache-2.0
"""A small HTTP service: /block holds its loop for 50 ms, all else is healthy. blocker.py PORT"""
import asyncio
import json
import os
import signal
import sys
import time


async def serve(reader, writer):
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"GET /block"):
            time.sleep(0.05)  # BAD: blocking-call
        body = json.dumps({"pid": os.getpid()}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                     % (len(body), body))
        await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: ended.done() or ended.set_result(None))
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    print("serving", flush=True)
    await ended
    server.close()
    print("ended", flush=True)


asyncio.run(main())
