# SPDX-License-Identifier: Apache-2.0
"""Service: a server started, awaited, ended by its pid, watched or not.

    with Service(argv, port=port, report=path) as service:
        service.await_port()
        ...
        outcome = service.interrupt()
"""
import os
import re
import signal
import subprocess
import tempfile

from . import load, watch
from .report import Report

START_S = 60
END_S = 60


class Service:
    def __init__(self, argv, port=None, env=None, watch_it=True, options=(), quiet=True, cwd=None):
        self.port = port
        self.report_path = watch.report_path() if watch_it else None
        self.argv = watch.run_argv(argv, self.report_path, options, quiet) if watch_it else argv
        self.env = watch.clean_env(**(env or {}))
        self.cwd = cwd
        self.folder = tempfile.mkdtemp(prefix="service-")
        self.process = None

    def __enter__(self):
        with open(self.output("stdout"), "wb") as stdout, open(self.output("stderr"), "wb") as stderr:
            self.process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                env=self.env, cwd=self.cwd, process_group=0,
                preexec_fn=watch._default_interrupt,
            )
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self._signal_group(signal.SIGKILL)
            self.process.wait()

    @property
    def pid(self):
        return self.process.pid

    def output(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.output(name), "rb") as file:
            return file.read()

    def _signal_group(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def await_port(self, seconds=START_S):
        def ready():
            assert self.process.poll() is None, "ended before it served: " + self.text()
            return load.answers(self.port)

        load.wait_for(ready, seconds, f"port {self.port} answers: {self.text()}")

    def await_text(self, pattern, name="stderr", seconds=START_S):
        """Waits until a stream of the service matches; returns the match."""
        compiled = re.compile(pattern.encode())
        return load.wait_for(
            lambda: compiled.search(self.read(name)), seconds, f"{pattern!r} on {name}: {self.text()}"
        )

    def text(self):
        return watch.Outcome(
            self.argv, self.process.poll(), self.read("stdout"), self.read("stderr")
        ).text()

    def end(self, number=signal.SIGINT, group=False, seconds=END_S):
        """Ends it by a signal to its first process, as a supervisor does, or to its group."""
        if group:
            self._signal_group(number)
        else:
            os.kill(self.process.pid, number)
        return self.outcome(seconds)

    def outcome(self, seconds=END_S):
        try:
            status = watch.shell_status(self.process.wait(seconds))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not ended after {seconds} s: {self.text()}")
        outcome = watch.Outcome(self.argv, status, self.read("stdout"), self.read("stderr"))
        if self.report_path and os.path.exists(self.report_path):
            outcome.report = Report.load(self.report_path)
        return outcome


def example_argv(server, port, workers=3):
    """The example service under one of the servers the tests know."""
    python = ["/usr/bin/python3", "-m"]
    address = f"127.0.0.1:{port}"
    if server.startswith("uvicorn"):
        loop = server.split("-")[1]
        return [
            *python, "uvicorn", "--app-dir", example_folder(), "--host", "127.0.0.1",
            "--port", str(port), "--workers", str(workers), "--loop", loop,
            "--log-level", "warning", "app:app",
        ]
    worker = {
        "gunicorn-uvloop": "uvicorn.workers.UvicornWorker",
        "gunicorn-asyncio": "uvicorn.workers.UvicornH11Worker",
    }[server]
    return [
        *python, "gunicorn", "--chdir", example_folder(), "--bind", address,
        "--workers", str(workers), "--worker-class", worker, "--log-level", "warning",
        "--timeout", "300", "app:app",
    ]


def example_folder():
    from . import paths

    return paths.SERVICE
