# SPDX-License-Identifier: Apache-2.0
"""Killed: a worker in the middle of a stall; loophound itself."""
import setup  # noqa: F401
import os
import re
import signal
import time

from lib import load, paths, runner
from lib.report import mark_line
from lib.runner import test
from lib.service import Service, example_argv

APP = paths.SERVICE + "/app.py"
LOOPS = ["asyncio", "uvloop"]


def stalled_worker(port):
    """Puts one worker to sleep for a minute; (its pid, the connection, when it was asked)."""
    connection = load.persistent(port)
    load.send(connection, port, "/healthy")
    status, body = load.receive(connection)
    assert status == 200
    load.send(connection, port, "/sleep?seconds=60")
    return body["pid"], connection, time.monotonic()


@test(each=LOOPS)
def killed_worker_leaves_stuck_with_its_stack(loop):
    port = load.free_port()
    line = mark_line(APP, "blocking-call", "time.sleep")
    with Service(
        example_argv(f"uvicorn-{loop}", port), port=port, quiet=False, env={"SERVICE_DSN": ""},
    ) as service:
        service.await_port()
        pid, connection, asked = stalled_worker(port)
        # The live line says that the stall was seen; then it must also grow past --stuck, 1 s.
        service.await_text(rf"app\.py:{line}\b", seconds=30)
        load.wait_for(lambda: time.monotonic() - asked > 1.5, 5, "the stall is past its limit")
        os.kill(pid, signal.SIGKILL)
        connection.close()
        # The others go on.
        assert load.get(port, "/healthy")["pid"] != pid
        outcome = service.end(signal.SIGINT)
    found = outcome.report.one("stuck", APP, line)
    assert found["count"] == 1 and found["pids"] == [pid], outcome.report.brief()
    assert found["severity"] == "error", found
    assert found["max_ns"] >= 1_000_000_000, found["max_ns"]
    stack = [
        (frame["function"], frame["line"]) for frame in found["stacks"][0]["frames"]
        if frame["kind"] == "python"
    ]
    assert ("sleep", line) in stack and len(stack) > 5, stack
    killed, = [process for process in outcome.report.processes if process["pid"] == pid]
    # Only its parent is told how it ended. Since Linux 6.15 others may ask; else it is not guessed.
    kernel = tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])
    expected = {"status": None, "signal": signal.SIGKILL if kernel >= (6, 15) else None}
    assert killed["exit"] == expected, killed["exit"]


def group_is_gone(group):
    """No process of the group is left; orphans of it are ours to collect (the runner adopts)."""
    try:
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@test
def killed_loophound_leaves_the_service_serving():
    port = load.free_port()
    with Service(
        example_argv("uvicorn-asyncio", port), port=port, env={"SERVICE_DSN": ""},
    ) as service:
        service.await_port()
        runner_pid = service.pid

        def on_answer(n):
            if n == 31:
                os.kill(runner_pid, signal.SIGKILL)

        plan = ["/sleep?seconds=0.05", "/healthy", "/cpu", "/forgot"] * 25 + ["/healthy"]
        answers = load.get_many(port, plan, concurrency=6, on_answer=on_answer)
        assert service.process.wait(10) == -signal.SIGKILL
        after = load.get_many(port, plan, concurrency=6)
        # Without its parent the service is still in the group, and it ends as ever.
        os.killpg(runner_pid, signal.SIGINT)
        load.wait_for(lambda: group_is_gone(runner_pid), 30, "the service ends")
        assert not load.answers(port)
    for answer in answers + after:
        assert answer[1] == 200, answer
    assert len(answers + after) == 202


runner.main(__name__)
