# SPDX-License-Identifier: Apache-2.0
"""Echoes lines to clients. `echoes.py PORT PID N` is one: of the server PID at PORT, by N connections at a time.

For each line on stdin a client says how long some 2000 echoes took: two times, in ns: by the clock, and of the
CPUs, both processes together. `echoes.py child` has a client of its own, which is its child.
"""
import asyncio
import os
import socket
import sys
import time

N_ECHOES = 1999


def cpu_ns(server):
    """Of this process and the server: clock_getcpuclockid(3) makes such a number of a pid."""
    return time.process_time_ns() + time.clock_gettime_ns(~server << 3 | 2)


def client(port, server, n_peers):
    peers = [socket.create_connection(("127.0.0.1", port)) for _ in range(n_peers)]
    for _ in sys.stdin:
        before, cpu = time.monotonic_ns(), cpu_ns(server)
        for _ in range(N_ECHOES // n_peers):
            for peer in peers:
                peer.sendall(b"x" * 64)
            for peer in peers:
                peer.recv(64)
        print(time.monotonic_ns() - before, cpu_ns(server) - cpu, flush=True)


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

    def connection_lost(self, _):
        asyncio.get_running_loop().stop()


async def serve():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    return server.sockets[0].getsockname()[1]


def main(has_child):
    loop = asyncio.new_event_loop()
    port = loop.run_until_complete(serve())
    if has_child and not os.fork():
        client(port, os.getppid(), 1)
        os._exit(0)
    print("ready", os.getpid(), port, flush=True)
    loop.run_forever()
    if has_child:
        os.wait()


if len(sys.argv) > 2:
    client(*map(int, sys.argv[1:]))
else:
    main(sys.argv[1:] == ["child"])
