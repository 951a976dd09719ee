# SPDX-License-Identifier: Apache-2.0
"""Watch: run a program as it is and run it watched, and compare.

`watched` runs it under `loophound run --report FILE --quiet`, `unwatched` without, both in the same
clean environment; `both` asserts that nobody but loophound can tell one from the other.
"""
import difflib
import os
import signal
import subprocess
import tempfile

from . import paths
from .report import Report

TIMEOUT_S = 60


def _tail(content):
    text = content.decode(errors="replace")
    return text if len(text) < 3000 else "...\n" + text[-3000:]


class Outcome:
    def __init__(self, argv, status, stdout, stderr, report=None):
        self.argv = argv
        self.status = status
        self.stdout = stdout
        self.stderr = stderr
        self.report = report

    def text(self):
        return (
            f"{' '.join(self.argv)}\nstatus {self.status}\n"
            f"stdout:\n{_tail(self.stdout)}\n"
            f"stderr:\n{_tail(self.stderr)}"
        )


def clean_env(**more):
    """This environment without what would change what is tested."""
    env = {
        key: value for key, value in os.environ.items()
        if not key.startswith("PYTHON") and key not in ("LD_PRELOAD", "CI") and
        (not key.startswith("LOOPHOUND_") or key.startswith("LOOPHOUND_SID"))
    }
    env.update(PYTHONDONTWRITEBYTECODE="1", PYTHONHASHSEED="0", LC_ALL="C.UTF-8")
    env.update(more)
    return {key: value for key, value in env.items() if value is not None}


def shell_status(returncode):
    """A status as a shell gives it: 128 + N when a signal ended the program."""
    return 128 - returncode if returncode < 0 else returncode


def _default_interrupt():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(argv, env=None, timeout=TIMEOUT_S, cwd=None, stdin=b""):
    """Runs a command to its end. A command that does not end is killed, with its group."""
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=clean_env(**(env or {})), cwd=cwd, process_group=0, preexec_fn=_default_interrupt,
    )
    try:
        stdout, stderr = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        outcome = Outcome(argv, "still running", stdout, stderr)
        raise AssertionError(f"not ended after {timeout} s: {outcome.text()}")
    return Outcome(argv, shell_status(process.returncode), stdout, stderr)


def report_path():
    folder = tempfile.mkdtemp(prefix="report-")
    return os.path.join(folder, "report.json")


def run_argv(argv, report=None, options=(), quiet=True):
    command = [paths.LOOPHOUND, "run"]
    if report:
        command += ["--report", report]
    if quiet:
        command.append("--quiet")
    return [*command, *options, "--", *argv]


def unwatched(argv, **keywords):
    return run(argv, **keywords)


def watched(argv, options=(), quiet=True, **keywords):
    """Runs it watched; the outcome carries the report, already validated."""
    path = report_path()
    outcome = run(run_argv(argv, path, options, quiet), **keywords)
    assert os.path.exists(path), f"no report was written: {outcome.text()}"
    outcome.report = Report.load(path)
    return outcome


def both(argv, options=(), normal=None, **keywords):
    """The same program watched and not: same status, same bytes on stdout and stderr."""
    bare = unwatched(argv, **keywords)
    seen = watched(argv, options, **keywords)
    assert_same(bare, seen, normal)
    return seen


def assert_same(bare, seen, normal=None):
    """Same status and bytes; `normal` takes out of the bytes what differs between any two runs."""
    normal = normal or (lambda content: content)
    assert bare.status == seen.status, (
        f"status {bare.status} unwatched, {seen.status} watched.\n{seen.text()}"
    )
    for name in ("stdout", "stderr"):
        one, other = normal(getattr(bare, name)), normal(getattr(seen, name))
        if one != other:
            difference = "\n".join(difflib.unified_diff(
                one.decode(errors="replace").splitlines(),
                other.decode(errors="replace").splitlines(),
                "unwatched", "watched", lineterm="",
            ))
            raise AssertionError(f"{name} differs: {' '.join(seen.argv)}\n{difference[:4000]}")
