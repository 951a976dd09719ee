# SPDX-License-Identifier: Apache-2.0
"""loophoundd: it may start last, die, and start again; services have nothing but LD_PRELOAD."""
import setup  # noqa: F401
import contextlib
import os
import signal
import socket
import struct
import threading

from lib import daemon, load, paths, pythons, runner, watch
from lib.daemon import Daemon
from lib.report import mark_line
from lib.runner import test
from lib.service import Service

# common/wire/hello.h
HELLO_MAGIC = 0x4F4C4C45484C00
ANSWER_VERSION = 1

BLOCKER = paths.program("blocker.py")


def blocker(preload=True, watch_it=False):
    port = load.free_port()
    argv = [*pythons.debian().argv, BLOCKER, str(port)]
    env = {"LD_PRELOAD": paths.SHIM} if preload else {}
    return Service(argv, port=port, env=env, watch_it=watch_it)


def start(stack, n):
    services = [stack.enter_context(blocker()) for _ in range(n)]
    for service in services:
        service.await_port()
    return services


def end(services):
    for service in services:
        outcome = service.end(signal.SIGTERM)
        assert outcome.status == 0 and outcome.stdout == b"serving\nended\n", outcome.text()
        assert outcome.stderr == b"", outcome.text()


class Hammer(threading.Thread):
    """Requests without a pause until told to stop."""

    def __init__(self, port):
        super().__init__()
        self.port = port
        self.is_stopped = False
        self.wrong = []
        self.done = 0

    def run(self):
        while not self.is_stopped:
            answers = load.get_many(self.port, ["/block", "/", "/"], concurrency=3)
            self.wrong += [answer for answer in answers if answer[1] != 200]
            self.done += len(answers)

    def stop(self):
        self.is_stopped = True
        self.join()
        assert not self.wrong and self.done, self.wrong


@test
def has_services_that_started_before_it():
    daemon.private_run()
    with contextlib.ExitStack() as stack:
        services = start(stack, 3)
        pids = {service.pid for service in services}
        running = stack.enter_context(Daemon())
        running.await_pids(pids, 1.0, "within a second of its start")
        end(services)


@test
def has_them_again_when_killed_and_restarted_under_load():
    daemon.private_run()
    with contextlib.ExitStack() as stack:
        services = start(stack, 3)
        pids = {service.pid for service in services}
        first = stack.enter_context(Daemon())
        first.await_pids(pids, 1.0, "within a second of its start")
        hammers = [Hammer(service.port) for service in services]
        for hammer in hammers:
            hammer.start()
        try:
            for _ in range(3):
                first.kill()
                first = stack.enter_context(Daemon())
                first.await_pids(pids, 1.0, "within a second of its next start")
        finally:
            for hammer in hammers:
                hammer.stop()
        # And it sees again: a known number of calls, no more and no fewer.
        line = mark_line(BLOCKER, "blocking-call")
        before = daemon.report().one("blocking-call", BLOCKER, line)["count"]
        for service in services:
            answers = load.get_many(service.port, ["/block"] * 17)
            assert all(status == 200 for _, status, _ in answers), answers
        load.wait_for(
            lambda: daemon.report().one("blocking-call", BLOCKER, line)["count"] >= before + 51,
            5, "51 more calls are counted",
        )
        assert daemon.report().one("blocking-call", BLOCKER, line)["count"] == before + 51
        end(services)


@test
def its_report_and_that_of_run_agree():
    daemon.private_run()
    plan = ["/block"] * 101 + ["/"] * 53
    with blocker(preload=False, watch_it=True) as service:
        service.await_port()
        load.get_many(service.port, plan)
        of_run = service.end(signal.SIGTERM).report
    with contextlib.ExitStack() as stack:
        service, = start(stack, 1)
        running = stack.enter_context(Daemon())
        running.await_pids({service.pid}, 1.0, "within a second of its start")
        load.get_many(service.port, plan)
        load.wait_for(
            lambda: sum(f["count"] for f in daemon.report().of("blocking-call")) >= 101,
            5, "all calls are counted",
        )
        of_daemon = daemon.report()
        end([service])
    line = mark_line(BLOCKER, "blocking-call")
    assert of_run.counts() == of_daemon.counts() == {("blocking-call", line): 101}, (
        f"run:\n{of_run.brief()}\ndaemon:\n{of_daemon.brief()}"
    )
    one, other = of_run.findings[0], of_daemon.findings[0]
    for field in ("fingerprint", "severity", "culprit", "name"):
        assert one[field] == other[field], (field, one[field], other[field])
    assert one["call"]["name"] == other["call"]["name"]
    assert abs(one["p50_ns"] - other["p50_ns"]) < 1_000_000


@test(each=["status", "report"])
def verb_without_a_daemon_says_so(verb):
    daemon.private_run()
    outcome = watch.run([paths.LOOPHOUND, verb])
    assert outcome.status == 4, outcome.text()
    assert outcome.stdout == b"" and len(outcome.stderr.splitlines()) == 1, outcome.text()
    assert b"loophoundd" in outcome.stderr, outcome.text()


@test
def other_version_is_refused_in_a_line_that_says_both():
    path = daemon.private_run()
    with Daemon() as running:
        load.wait_for(
            lambda: watch.run([paths.LOOPHOUND, "status", "--json"]).status == 0, 5, "it answers",
        )
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(10)
            client.connect(path)
            # struct hello: magic, version, pid, region_bytes.
            client.send(struct.pack("<QIIQ", HELLO_MAGIC, 9973, os.getpid(), 0))
            answer = client.recv(256)
        _, version, status = struct.unpack_from("<QII", answer)
        text = answer[16:].split(b"\0")[0].decode()
        assert status == ANSWER_VERSION, (status, text)
        assert "9973" in text and str(version) in text, text
        assert running.process.poll() is None


@test
def second_daemon_at_the_same_socket_says_so():
    daemon.private_run()
    with Daemon() as first:
        load.wait_for(
            lambda: watch.run([paths.LOOPHOUND, "status", "--json"]).status == 0, 5, "it answers",
        )
        second = watch.run([paths.LOOPHOUNDD])
        assert second.status not in (0, 128 + signal.SIGSEGV) and second.stderr, second.text()
        assert first.process.poll() is None


runner.main(__name__)
