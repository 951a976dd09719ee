# SPDX-License-Identifier: Apache-2.0
"""Clients that people use, on real servers, in timed mode: one finding each, with its target.

A FIFO and a file that another process has locked are in test_calls.py.
"""
import setup  # noqa: F401
import contextlib
import os
import re
import statistics
import sys
import tempfile

from lib import paths, pythons, runner, servers, watch
from lib.report import marks
from lib.runner import fixture, test

sys.path.insert(0, paths.SERVICE)
from private_postgres import NoPostgres, PrivatePostgres  # noqa: E402

PROGRAM = paths.program("clients.py")
MS = 1_000_000
# A program that is not let run at the end of a call measures more than the call took.
ATTEMPTS = 5


@contextlib.contextmanager
def postgres():
    try:
        with PrivatePostgres() as server:
            yield server.dsn
    except NoPostgres as reason:
        runner.need_package(f"postgresql ({reason})", False)


@contextlib.contextmanager
def database_file():
    with tempfile.TemporaryDirectory() as folder:
        yield os.path.join(os.path.realpath(folder), "base.db")


def postgres_target(dsn):
    return "unix:" + dict(word.split("=") for word in dsn.split())["host"] + "/.s.PGSQL.5432"


# server, its client's package, the calls that may wait, the target, a word of the advice
CLIENTS = {
    "psycopg2": (postgres, "python3-psycopg2", "poll", postgres_target, "psycopg.AsyncConnection"),
    "pymysql": (servers.mariadb, "python3-pymysql", "recv", str, "asyncmy"),
    "redis": (servers.redis, "python3-redis", "recv", str, "redis.asyncio"),
    "redis_timeout": (servers.redis, "python3-redis", "poll", str, "redis.asyncio"),
    "requests": (servers.late_http, "python3-requests", "recv", str, "httpx.AsyncClient"),
    "urllib": (servers.late_http, "python3", "recv", str, "aiohttp.ClientSession"),
    # It waits for the thread that reads from the server.
    "paramiko": (servers.ssh, "python3-paramiko", "sem_wait", lambda _: r"lock 0x[0-9a-f]+",
                 "asyncssh"),
    "sqlite3": (database_file, "python3", "usleep", str, "aiosqlite"),
}


@fixture(timeout=120)
def run(client):
    """{address, lines, report}; again when the waits lie apart, since others had the CPU then."""
    server, package = CLIENTS[client][:2]
    runner.need_package(package, pythons.debian().has(client.split("_")[0]))
    for _ in range(ATTEMPTS):
        with server() as address:
            outcome = watch.watched(["/usr/bin/python3", PROGRAM, client, address])
        assert outcome.status == 0, outcome.text()
        spans = [int(line) for line in outcome.stdout.split()]
        told = outcome.report.of("blocking-call", PROGRAM)
        if told and is_close(told[0]["p50_ns"], spans):
            break
    return {"address": address, "spans": spans, "report": outcome.report.raw}


def is_close(ours_ns, spans):
    theirs_ns = statistics.median(spans)
    return abs(ours_ns - theirs_ns) <= max(1 * MS, theirs_ns * 0.01)


def line_of(client):
    """The mark within the client's function."""
    with open(PROGRAM) as file:
        texts = file.read().splitlines()
    first = next(n for n, text in enumerate(texts, 1) if text.startswith(f"def {client}("))
    return min(line for _, line, _ in marks(PROGRAM) if line > first)


def finding(client, of):
    assert len(of["report"]["findings"]) == 1, [f["message"] for f in of["report"]["findings"]]
    return of["report"]["findings"][0]


@test(each=list(CLIENTS))
def a_client_is_one_finding_at_its_line(client, of=run):
    found = finding(client, of)
    assert (found["kind"], found["culprit"]["file"], found["culprit"]["line"]) == (
        "blocking-call", PROGRAM, line_of(client)), found
    assert found["count"] == len(of["spans"]) == 3, found
    # A sample of running code may be torn, before or after a call; the stack is the call's own.
    lost = {reason: n for reason, n in of["report"]["lost"].items() if n}
    assert lost.pop("stack-torn", 0) <= found["count"] and not lost, of["report"]["lost"]


@test(each=list(CLIENTS))
def what_it_waited_for_is_named(client, of=run):
    _, _, call, target, _ = CLIENTS[client]
    found = finding(client, of)["call"]
    wanted = target(of["address"])
    assert found["name"] == call and found["gil_held"] is False, found
    assert found["target"] and (found["target"] == wanted or
                                re.fullmatch(wanted, found["target"])), (found, wanted)


@test(each=list(CLIENTS))
def it_took_what_the_program_measured(client, of=run):
    """The program's interval holds sending and parsing too: what waits lies inside of it."""
    found, spans = finding(client, of), of["spans"]
    runner.note(f"{client}: {found['p50_ns'] / MS:.2f} ms in {found['call']['name']} on "
                f"{found['call']['target']}, as the program says {statistics.median(spans) / MS:.2f}")
    assert found["total_ns"] <= sum(spans) and found["max_ns"] <= max(spans), (found, spans)
    assert is_close(found["p50_ns"], spans), (found["p50_ns"], spans)


@test(each=list(CLIENTS))
def its_asynchronous_form_is_advised(client, of=run):
    assert CLIENTS[client][4] in finding(client, of)["advice"]


GIVES_UP = """
import asyncio, os, sqlite3, subprocess, sys
path, journal, begin = sys.argv[1:]
HOLDER = "import sqlite3, sys; base = sqlite3.connect(sys.argv[1], isolation_level=None);" \\
         "base.execute(sys.argv[2]); print('held', flush=True); sys.stdin.read()"
base = sqlite3.connect(path, isolation_level=None, timeout=0.1)
base.execute(f"pragma journal_mode = {journal}")
base.execute("create table t (x)")
holder = subprocess.Popen([sys.executable, "-c", HOLDER, path, begin], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE)
assert holder.stdout.readline() == b"held\\n"

async def main():
    given_up = 0
    for _ in range(5):
        try:
            base.execute("insert into t values (1)")  # BAD: blocking-call 5
        except sqlite3.OperationalError:
            given_up += 1
    assert given_up == 5

asyncio.run(main())
holder.communicate()
"""


def assert_each_counts(python, journal, begin, locked):
    with tempfile.TemporaryDirectory() as folder:
        folder = os.path.realpath(folder)
        program = os.path.join(folder, "program.py")
        with open(program, "w", encoding="utf-8") as file:
            file.write(GIVES_UP)
        outcome = watch.watched([*python.argv, program, folder + "/base.db", journal,
                                 "begin " + begin])
        assert outcome.status == 0, outcome.text()
        outcome.report.assert_counts(program)
        found = outcome.report.one("blocking-call", program)
    # SQLite cuts its last sleep, so that all are 100 ms together.
    assert 500 * MS <= found["total_ns"] and found["task"]["name"] == "Task-1", found
    assert found["call"]["target"] == f"{folder}/{locked}", found["call"]
    return found["call"]["name"]


@test(each=["delete-exclusive-base.db", "delete-immediate-base.db", "wal-immediate-base.db-shm"])
def each_wait_for_a_database_that_is_given_up_counts(how):
    assert assert_each_counts(pythons.debian(), *how.split("-", 2)) == "usleep"


@test(each=pythons.sid)
def a_newer_sqlite_sleeps_otherwise(python):
    assert assert_each_counts(python, "delete", "exclusive", "base.db") == "nanosleep"


runner.main(__name__)
