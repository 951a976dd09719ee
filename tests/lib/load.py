# SPDX-License-Identifier: Apache-2.0
"""Load: an exact number of requests, and ports that answer.

Every request has a connection of its own, so that workers that share a listening socket share the
work; `persistent` keeps one connection, so that all goes to one worker.
"""
import asyncio
import json
import socket
import subprocess
import time

ANSWER_TIMEOUT_S = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, seconds, what):
    """Polls a condition until it holds, with a deadline; returns what it gave."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


async def _answer(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    return status, await reader.readexactly(length)


def _request(port, path, keep):
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
    ).encode()


async def _get(port, path):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(_request(port, path, keep=False))
        status, body = await _answer(reader)
        return status, json.loads(body) if body else None
    finally:
        writer.close()


async def _many(port, plan, concurrency, on_answer):
    pending = iter(plan)
    answers_got = []

    async def worker():
        for path in pending:
            try:
                status, body = await asyncio.wait_for(_get(port, path), ANSWER_TIMEOUT_S)
            except (OSError, EOFError, ValueError, asyncio.TimeoutError) as error:
                status, body = 0, repr(error)
            answers_got.append((path, status, body))
            if on_answer:
                on_answer(len(answers_got))

    await asyncio.gather(*(worker() for _ in range(concurrency)))
    return answers_got


def get_many(port, plan, concurrency=6, on_answer=None):
    """One request for each path of the plan: [(path, status, body)]; status 0 is no answer."""
    return asyncio.run(_many(port, plan, concurrency, on_answer))


def get(port, path):
    """One request that must succeed; its body."""
    (_, status, body), = get_many(port, [path], 1)
    assert status == 200, f"{path} answered {status}: {body}"
    return body


def persistent(port):
    """A plain connection, for requests to one worker."""
    return socket.create_connection(("127.0.0.1", port), timeout=ANSWER_TIMEOUT_S)


def send(connection, port, path):
    connection.sendall(_request(port, path, keep=True))


def receive(connection):
    text = b""
    while b"\r\n\r\n" not in text:
        chunk = connection.recv(65536)
        assert chunk, "the connection was closed"
        text += chunk
    head, _, body = text.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]):
                body += connection.recv(65536)
    return int(head.split(b" ", 2)[1]), json.loads(body)


def full_load(port, path, seconds, connections=16):
    """As much as wrk can: how many requests, and what went wrong ("" when nothing)."""
    result = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s",
         f"http://127.0.0.1:{port}{path}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    assert result.returncode == 0, result.stdout
    done, wrong = 0, ""
    for line in result.stdout.splitlines():
        if " requests in " in line:
            done = int(line.split()[0])
        if "Socket errors" in line or "Non-2xx" in line:
            wrong = line.strip()
    return done, wrong
