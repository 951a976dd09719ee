# SPDX-License-Identifier: Apache-2.0
"""Waits 100 ms for each kind of thing, and says what it waited for: targets.py FOLDER

A line of the output is "call target ns", as the program itself knows it.
"""
import asyncio
import ctypes
import fcntl
import http.client
import io
import multiprocessing
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time

folder = sys.argv[1]
SPAN = 0.1
said = []


def path(name):
    return os.path.join(folder, name)


class Timed:
    def __init__(self, call, target):
        self.call, self.target = call, target

    def __enter__(self):
        self.start = time.perf_counter_ns()

    def __exit__(self, *_):
        said.append(f"{self.call}\t{self.target}\t{time.perf_counter_ns() - self.start}")


def later(function, *arguments):
    timer = threading.Timer(SPAN, function, arguments)
    timer.start()
    return timer


async def fifo():
    os.mkfifo(path("fifo"))
    later(lambda: os.close(os.open(path("fifo"), os.O_WRONLY)))
    with Timed("open64", path("fifo")):
        fd = os.open(path("fifo"), os.O_RDONLY)  # BAD: blocking-call 1
    os.close(fd)


def hold(name, is_held):
    with open(name, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        is_held.set()
        time.sleep(SPAN)


async def locked_file():
    is_held = multiprocessing.get_context("spawn").Event()
    process = multiprocessing.get_context("spawn").Process(
        target=hold, args=(path("locked"), is_held))
    await asyncio.get_running_loop().run_in_executor(None, process.start)
    await asyncio.get_running_loop().run_in_executor(None, is_held.wait)
    with open(path("locked")) as file:
        with Timed("flock", path("locked")):
            fcntl.flock(file, fcntl.LOCK_EX)  # BAD: blocking-call 1
    await asyncio.get_running_loop().run_in_executor(None, process.join)


async def pipe():
    reader, writer = os.pipe()
    later(os.write, writer, b"x")
    with Timed("read", os.readlink(f"/proc/self/fd/{reader}")):
        os.read(reader, 1)  # BAD: blocking-call 1
    os.close(reader)
    os.close(writer)


def answer_late(server):
    client, _ = server.accept()
    client.recv(1000)
    time.sleep(SPAN)
    client.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
    client.close()


async def web():
    server = socket.create_server(("127.0.0.1", 0))
    host, port = server.getsockname()
    threading.Thread(target=answer_late, args=(server,)).start()
    client = http.client.HTTPConnection(host, port)
    client.request("GET", "/")
    # What reading an answer imports at the first time is not part of the wait.
    http.client.parse_headers(io.BytesIO(b"Content-Length: 0\r\n\r\n"))
    with Timed("recv", f"127.0.0.1:{port}"):
        client.getresponse().read()  # BAD: blocking-call 1
    client.close()
    server.close()


async def unix_socket():
    server = socket.socket(socket.AF_UNIX)
    server.bind(path("unix"))
    server.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect(path("unix"))
    other, _ = server.accept()
    client.settimeout(5)
    later(other.send, b"x")
    with Timed("poll", f"unix:{path('unix')}"):
        client.recv(1)  # BAD: blocking-call 1
    for each in (server, client, other):
        each.close()


async def child():
    process = subprocess.Popen(["/bin/sleep", str(SPAN)])
    with Timed("waitpid",
               f"child {process.pid} ({os.path.realpath('/bin/sleep')})"):
        os.waitpid(process.pid, 0)  # BAD: blocking-call 1


async def program():
    with Timed("system", None):
        os.system(f"sleep {SPAN}")  # BAD: blocking-call 1


async def database():
    one = sqlite3.connect(path("db"), isolation_level=None)
    two = sqlite3.connect(path("db"), isolation_level=None, timeout=5, check_same_thread=False)
    for each in (one, two):
        each.execute("pragma synchronous = off")
    two.execute("create table t (x)")
    two.execute("begin exclusive")
    later(two.execute, "commit")
    await asyncio.sleep(0)
    # It sleeps in steps; they are one wait.
    one.execute("insert into t values (1)")  # BAD: blocking-call 1
    one.close()
    two.close()


async def futex():
    libc = ctypes.CDLL(None)
    word = ctypes.c_int(1)
    span = (ctypes.c_long * 2)(0, int(SPAN * 1e9))
    with Timed("futex", f"lock {hex(ctypes.addressof(word))}"):
        libc.syscall(ctypes.c_long(202), ctypes.byref(word), 0, 1, span, None, 0)  # BAD: blocking-call 1


async def condition():
    libc = ctypes.CDLL(None)
    mutex, waited = ctypes.create_string_buffer(64), ctypes.create_string_buffer(64)
    until = time.clock_gettime_ns(time.CLOCK_REALTIME) + int(SPAN * 1e9)
    moment = (ctypes.c_long * 2)(until // 10**9, until % 10**9)
    libc.pthread_mutex_lock(mutex)
    with Timed("pthread_cond_timedwait", f"lock {hex(ctypes.addressof(waited))}"):
        libc.pthread_cond_timedwait(waited, mutex, moment)  # BAD: blocking-call 1
    libc.pthread_mutex_unlock(mutex)


async def nested_epoll():
    import select
    epoll = select.epoll()
    reader, writer = os.pipe()
    epoll.register(reader, select.EPOLLIN)
    with Timed("epoll_wait", "anon_inode:[eventpoll]"):
        epoll.poll(SPAN)  # BAD: blocking-call 1
    epoll.close()
    os.close(reader)
    os.close(writer)


async def main():
    for part in (fifo, locked_file, pipe, web, unix_socket, child, program, database, futex,
                 condition, nested_epoll):
        await part()


if __name__ == "__main__":
    asyncio.run(main())
    print("\n".join(said))
