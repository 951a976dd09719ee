# SPDX-License-Identifier: Apache-2.0
"""Daemon: loophoundd at its well-known socket, in a /run of the test's own.

`private_run()` gives this test process, and all it starts, an empty /run (root: in a mount namespace
of its own; others: by XDG_RUNTIME_DIR), so that the well-known socket is nobody else's.
"""
import json
import os
import signal
import subprocess
import tempfile

from . import load, namespace, paths, watch
from .report import Report

def private_run():
    """Returns the path of the well-known socket."""
    if os.geteuid() != 0:
        os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="run-")
        return os.environ["XDG_RUNTIME_DIR"] + "/loophound/socket"
    namespace.private_mounts()
    namespace.mount_tmpfs("/run")
    return "/run/loophound/socket"


def ask(*arguments):
    """Runs a verb that prints JSON; returns it."""
    outcome = watch.run([paths.LOOPHOUND, *arguments])
    assert outcome.status == 0, outcome.text()
    return json.loads(outcome.stdout)


def watched_pids():
    """The processes that the daemon has now; empty when there is no daemon."""
    outcome = watch.run([paths.LOOPHOUND, "status", "--json"])
    if outcome.status != 0:
        return set()
    return {process["pid"] for process in json.loads(outcome.stdout)["processes"]}


def report():
    return Report(ask("report", "--json"))


class Daemon:
    def __enter__(self):
        self.process = subprocess.Popen(
            [paths.LOOPHOUNDD], stdin=subprocess.DEVNULL, env=watch.clean_env(), process_group=0,
        )
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def await_pids(self, pids, seconds, what):
        load.wait_for(
            lambda: set(pids) <= watched_pids(), seconds,
            f"{what}: wanted {sorted(pids)}, has {sorted(watched_pids())}",
        )
