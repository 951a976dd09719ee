# SPDX-License-Identifier: Apache-2.0
"""Children of the process that is attached to, and what it becomes: workers, forked or started anew."""
import setup  # noqa: F401
import contextlib
import http.client
import os
import signal

import attached
from lib import load, paths, pythons, runner, watch
from lib.report import Report
from lib.runner import test

REQUESTS, N_WORKERS = 101, 3


def loops_wanted():
    """Each interpreter with its own loop, and those with uvloop once more."""
    return [(python, "asyncio") for python in pythons.every()] + \
        [(python, "uvloop") for python in pythons.having("uvloop")]


def label(item):
    return f"{item[0]}-{item[1]}"


@test(each=loops_wanted, label=label)
def workers_are_watched_however_they_were_started(item):
    """Forked, spawned, behind a shell; and a child of a turn is not blamed for its parent's turn."""
    attached.need()
    python, loop = item
    path = attached.program("workers.py")
    _, told = attached.attached(python, path, "parent", loop)
    told.report.assert_counts(path)
    workers = {pid for found in told.report.findings for pid in found["pids"]}
    assert len(workers) == 4, told.report.brief()
    assert {one["framework"] for one in told.report.loops} >= {loop}, told.report.brief()
    assert not told.report.lost(), told.report.lost()


@test(each=pythons.every)
def program_that_becomes_itself_anew_is_watched_on(python):
    attached.need()
    path = attached.program("reexecs.py")
    _, told = attached.attached(python, path, "once")
    told.report.assert_counts(path)
    assert len(told.report.processes) == 2, told.report.brief()


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().read()


def all_serve(port):
    """Asks until each has answered: one that starts has no loop yet, and its first calls are none's."""
    seen = set()
    load.wait_for(lambda: seen.add(get(port, "/")) or len(seen) == N_WORKERS, 30, "all have answered")


def served(command):
    """Attached to the master once its workers serve; the report after it was asked 101 times."""
    report = watch.report_path()
    port = load.free_port()
    process = attached.start([word.format(port=port) for word in command], cwd=attached.PROGRAMS)
    load.wait_for(lambda: load.answers(port), 30, "it answers")
    all_serve(port)
    loophound = attached.start_attach(process.pid, (), report)
    for _ in range(REQUESTS):
        assert int(get(port, "/sleep")) and int(get(port, "/"))
    process.send_signal(signal.SIGTERM)
    attached.finish(process, command)
    attached.finish(loophound, ["attach"])
    return Report.load(report)


@test(each=["asyncio", "uvloop"])
def workers_of_uvicorn_are_watched(loop):
    attached.need()
    python = pythons.debian()
    runner.need_package("python3-uvicorn", python.has("uvicorn"))
    runner.need_package("python3-uvloop", python.has("uvloop"))
    told = served([*python.argv, "-m", "uvicorn", "--workers", str(N_WORKERS), "--loop", loop,
                   "--port", "{port}", "served:app"])
    told.assert_counts(attached.program("served.py"))
    assert not told.lost(), told.lost()


@test
def workers_of_gunicorn_are_watched():
    attached.need()
    python = pythons.debian()
    runner.need_package("gunicorn", python.has("gunicorn"))
    runner.need_package("python3-uvicorn", python.has("uvicorn"))
    told = served([*python.argv, "-m", "gunicorn", "--workers", str(N_WORKERS), "--worker-class",
                   "uvicorn.workers.UvicornWorker", "--bind", "127.0.0.1:{port}", "served:app"])
    told.assert_counts(attached.program("served.py"))
    assert not told.lost(), told.lost()


runner.main(__name__)
