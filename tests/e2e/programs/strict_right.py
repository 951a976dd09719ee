# SPDX-License-Identifier: Apache-2.0
"""The right forms of what strict_wrong.py does, and what else a program does all day: silent.

strict_right.py FOLDER [uvloop]: FOLDER holds a certificate, cert.pem, with its key.
"""
import asyncio
import concurrent.futures
import functools
import logging
import os
import queue
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import either

folder = sys.argv[1]
CERTIFICATE = os.path.join(folder, "cert.pem")
server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server_side.load_cert_chain(CERTIFICATE)
client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
client_side.check_hostname = False
client_side.load_verify_locations(CERTIFICATE)


async def answer(reader, writer):
    while True:
        line = await reader.readline()
        if not line:
            break
        writer.write(line)
        await writer.drain()
    writer.close()


async def talk(reader, writer):
    for number in range(101):
        writer.write(b"%d\n" % number)
        await writer.drain()
        assert await reader.readline() == b"%d\n" % number
    writer.close()


async def streams():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await asyncio.gather(*[talk(*await asyncio.open_connection("127.0.0.1", port))
                           for _ in range(3)])
    server.close()
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_side)
    port = server.sockets[0].getsockname()[1]
    await talk(*await asyncio.open_connection("127.0.0.1", port, ssl=client_side))
    server.close()
    if sys.argv[-1] == "uvloop":
        return  # Its own code asks after the socket's file, and looks like its caller.
    path = os.path.join(folder, "socket")
    server = await asyncio.start_unix_server(answer, path)
    await talk(*await asyncio.open_unix_connection(path))
    server.close()


async def sockets():
    loop = asyncio.get_running_loop()
    one, two = socket.socketpair()
    with one, two:
        one.setblocking(False)
        two.setblocking(False)
        twin = one.dup()
        with twin:
            await loop.sock_sendall(twin, b"hello")
        assert await loop.sock_recv(two, 100) == b"hello"
        one.send(b"more")
        assert two.recv(100) == b"more"
        try:
            two.recv(100)
        except BlockingIOError:
            pass
    await loop.getaddrinfo("localhost", 80)
    await loop.getnameinfo(("127.0.0.1", 80))


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self):
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        transport.sendto(b"to itself", transport.get_extra_info("sockname"))

    def datagram_received(self, data, address):
        self.done.set_result(data)


async def datagrams():
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        Datagrams, local_addr=("127.0.0.1", 0))
    await protocol.done
    transport.close()


async def processes():
    process = await asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE,
                                                   stdout=subprocess.PIPE)
    out, _ = await process.communicate(b"x" * 100000)
    assert len(out) == 100000
    process = await asyncio.create_subprocess_shell("exit 3")
    assert await process.wait() == 3


def read_file():
    with open(__file__) as file:
        return file.read()


async def threads():
    loop = asyncio.get_running_loop()
    await asyncio.gather(*[loop.run_in_executor(None, time.sleep, 0.01) for _ in range(7)])
    await loop.run_in_executor(None, read_file)
    await loop.run_in_executor(None, functools.partial(subprocess.run, ["true"]))
    pool = concurrent.futures.ThreadPoolExecutor()
    for _ in range(13):
        await asyncio.wrap_future(pool.submit(os.stat, "/"))
    pool.shutdown(wait=False)
    event = asyncio.Event()
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(event.set,))
    thread.start()
    await event.wait()
    await loop.run_in_executor(None, thread.join)


async def primitives():
    things = asyncio.Queue(3)
    lock, free = asyncio.Lock(), threading.Lock()
    plain = queue.SimpleQueue()

    async def put():
        for number in range(17):
            await things.put(number)
            await asyncio.sleep(0)
            plain.put(number)
            time.sleep(0)

    async def get():
        for _ in range(17):
            async with lock:
                await things.get()
            with free:
                pass
    await asyncio.gather(put(), get())
    asyncio.get_running_loop().call_later(0.005, lambda: None)
    await asyncio.sleep(0.01)
    try:
        await asyncio.wait_for(asyncio.sleep(60), 0.01)
    except asyncio.TimeoutError:
        pass


async def imports():
    import decimal
    import email.mime.multipart
    import sqlite3
    import xml.dom.minidom
    assert decimal and email and sqlite3 and xml
    "x".encode("cp1251")


async def words():
    logging.warning("a warning")
    try:
        raise ValueError("an error")
    except ValueError:
        logging.exception("with its traceback")
    print("words", flush=True)
    print("words", file=sys.stderr, flush=True)


async def signals():
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, event.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await event.wait()
    loop.remove_signal_handler(signal.SIGUSR1)


async def send_file():
    loop = asyncio.get_running_loop()
    file = await loop.run_in_executor(None, functools.partial(open, __file__, "rb"))
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        await loop.sendfile(writer.transport, file)
    except NotImplementedError:
        pass
    writer.write_eof()
    await reader.read()
    writer.close()
    server.close()
    await loop.run_in_executor(None, file.close)


async def main():
    for part in (streams, sockets, datagrams, processes, threads, primitives, imports, words,
                 signals, send_file):
        await part()


either.run(main())
print("ended")
