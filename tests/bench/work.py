# SPDX-License-Identifier: Apache-2.0
"""Work: what is measured, in a process that does a block of it each time it is told to.

    python3 work.py WORK LOOP MODE CPU [ARGUMENT]

WORK is a function below, LOOP asyncio or uvloop, MODE one of "plain", "count", "thread", "debug", "patch", "profile"
(plain whether watched or not: that is the business of who starts it), CPU the core to stay on (-1:
any). For every line on stdin one block is done, and its ns per operation written to stdout, as a
line. A block is BLOCK_RUNS runs, and its figure the fastest of them: what another program took from
a run is no cost of this one. Nothing is read or written while the loop runs, so that a watched
process has nothing to report. Any CPython from 3.8 on runs this, without a package but uvloop.
"""
import asyncio
import ctypes
import gc
import hashlib
import inspect
import os
import socket
import sys
import threading
import time
import zlib

# Few, since a fast run happens to either side alike; enough that one is left alone.
BLOCK_RUNS = 5
CHAINS = 100
# Operations of a block in mode "count", which callgrind.py divides by.
COUNTED = 2000
# Objects made and not freed by count, before they are collected between two blocks.
GARBAGE = 50000
NOW_NS = time.perf_counter_ns


async def switch(n=400):
    """A task gives the loop a turn: the smallest turn there is."""
    sleep = asyncio.sleep
    started = NOW_NS()
    for _ in range(n):
        await sleep(0)
    return (NOW_NS() - started) / n


async def tasks(n=20):
    """A hundred tasks do so at once."""
    sleep = asyncio.sleep

    async def task():
        for _ in range(n):
            await sleep(0)

    every = [asyncio.ensure_future(task()) for _ in range(CHAINS)]
    started = NOW_NS()
    for each in every:
        await each
    return (NOW_NS() - started) / (n * CHAINS)


async def storm(n=4000):
    """A hundred chains of call_soon(): callbacks that do nothing but schedule the next."""
    left = n
    loop = asyncio.get_running_loop()
    call_soon = loop.call_soon
    done = loop.create_future()

    def step():
        nonlocal left
        left -= 1
        if left >= CHAINS:
            call_soon(step)
        elif not left:
            done.set_result(None)

    started = NOW_NS()
    for _ in range(CHAINS):
        call_soon(step)
    await done
    return (NOW_NS() - started) / n


async def soon(n=800):
    """One chain of call_soon(): each callback has a turn to itself."""
    left = n
    loop = asyncio.get_running_loop()
    call_soon = loop.call_soon
    done = loop.create_future()

    def step():
        nonlocal left
        left -= 1
        if left:
            call_soon(step)
        else:
            done.set_result(None)

    started = NOW_NS()
    call_soon(step)
    await done
    return (NOW_NS() - started) / n


async def timers(n=2000):
    """A hundred chains of call_later(0)."""
    left = n
    loop = asyncio.get_running_loop()
    call_later = loop.call_later
    done = loop.create_future()

    def step():
        nonlocal left
        left -= 1
        if left >= CHAINS:
            call_later(0, step)
        elif not left:
            done.set_result(None)

    started = NOW_NS()
    for _ in range(CHAINS):
        call_later(0, step)
    await done
    return (NOW_NS() - started) / n


class _Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class _Pinger(asyncio.Protocol):
    """Sends `n` messages, each when the one before has come back."""

    def __init__(self, n, done):
        self.left = n
        self.done = done

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.left -= 1
        if self.left:
            self.transport.write(data)
        else:
            self.done.set_result(None)


async def _echo(connections, n):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Echo, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    pingers = [_Pinger(n, loop.create_future()) for _ in range(connections)]
    for pinger in pingers:
        await loop.create_connection(lambda pinger=pinger: pinger, *address)
    started = NOW_NS()
    for pinger in pingers:
        pinger.transport.write(b"x" * 64)
    for pinger in pingers:
        await pinger.done
    span = NOW_NS() - started
    for pinger in pingers:
        pinger.transport.close()
    server.close()
    await server.wait_closed()
    return span / (connections * n)


async def echo1(n=60):
    """A TCP echo, client and server on the one loop."""
    return await _echo(1, n)


async def echo100(n=2):
    """The same with a hundred connections at once."""
    return await _echo(100, n)


def threads8(n=60):
    """Eight threads, of which one runs a loop; the others make hooked calls, and none waits."""
    pairs = [socket.socketpair() for _ in range(7)]
    begin = threading.Barrier(8)

    def chat(pair):
        begin.wait()
        for _ in range(n):
            pair[0].send(b"x")
            pair[1].recv(1)

    every = [threading.Thread(target=chat, args=(pair,)) for pair in pairs]
    for each in every:
        each.start()
    loop = asyncio.new_event_loop()
    begin.wait()
    started = NOW_NS()
    loop.run_until_complete(switch(n))
    for each in every:
        each.join()
    span = NOW_NS() - started
    loop.close()
    for pair in pairs:
        pair[0].close()
        pair[1].close()
    return span / (8 * n)


def files(n=8):
    """A program without a loop: small files written and read, hashed and packed."""
    path = f"/tmp/loophound-bench-{os.getpid()}"
    block = bytes(range(256)) * 16
    started = NOW_NS()
    for _ in range(n):
        with open(path, "wb") as file:
            file.write(block)
        with open(path, "rb") as file:
            text = file.read()
        os.stat(path)
        hashlib.sha256(text).digest()
        zlib.crc32(text)
    span = NOW_NS() - started
    os.unlink(path)
    return span / n


def numbers(n=1):
    """A program without a loop that computes: long vectors, sorted, mapped and summed."""
    started = NOW_NS()
    for _ in range(n):
        vector = [(i * 7919) % 10007 for i in range(4000)]
        vector.sort()
        sum(map(float.__mul__, map(float, vector), map(float, vector)))
    return (NOW_NS() - started) / n


class _Calls:
    """The calls of bench-calls.c, which come from outside Python: a bare one takes nanoseconds."""

    def __init__(self, library, name):
        self.function = getattr(ctypes.CDLL(library), name)
        self.function.restype = ctypes.c_double
        self.function.argtypes = [ctypes.c_int, ctypes.c_int]
        self.pair = socket.socketpair()
        self.pair[0].setblocking(False)

    def __call__(self, n=2000):
        return self.function(self.pair[0].fileno(), n)


def plan(work, library):
    """(function, whether it needs the loop)."""
    if work.startswith("loop-call-") or work.startswith("thread-call-"):
        where, _, name = work.partition("-call-")
        calls = _Calls(library, name)

        async def on_loop(n=2000):
            return calls(n)

        return (on_loop, True) if where == "loop" else (calls, False)
    function = globals()[work]
    return function, inspect.iscoroutinefunction(function)


def patch_handles():
    """What a watcher written in Python has to do."""
    run = asyncio.events.Handle._run
    clock = time.perf_counter

    def timed(self):
        started = clock()
        result = run(self)
        if clock() - started > 0.1:
            print(self, file=sys.stderr)
        return result

    asyncio.events.Handle._run = timed


def new_loop(kind):
    if kind == "uvloop":
        import uvloop
        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def main():
    work, kind, mode, cpu, *library = sys.argv[1:]
    if int(cpu) >= 0:
        os.sched_setaffinity(0, {int(cpu)})
    if mode == "patch":
        patch_handles()
    function, is_async = plan(work, *(library or [None]))
    loop = new_loop(kind) if is_async or work == "threads8" else None
    if mode == "debug":
        loop.set_debug(True)
    if mode == "thread":
        # Asleep for good, in a process that would else have but one.
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    if mode == "profile":
        sys.setprofile(lambda *_: None)
    # The collector would come round in the blocks of one side and not of the other.
    gc.disable()
    for _ in sys.stdin:
        if gc.get_count()[0] > GARBAGE:
            gc.collect()
        runs = [()] * BLOCK_RUNS if mode != "count" else [(COUNTED,)]
        figures = [
            loop.run_until_complete(function(*n)) if is_async else function(*n) for n in runs
        ]
        print(min(figures), flush=True)
    if loop:
        loop.close()


main()
