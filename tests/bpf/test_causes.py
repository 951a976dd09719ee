# SPDX-License-Identifier: Apache-2.0
"""Causes by the kernel: where the time of a stall went, beside the shim and without it."""
import setup  # noqa: F401
import json
import os

import attached
import quota
from lib import paths, pythons, runner, watch
from lib.report import mark_line
from lib.runner import test

HOW = ["shim", "bpf"]
# Of uvloop a loop from outside is known in another way.
HOW_ON = [("shim", "asyncio"), ("bpf", "asyncio"), ("bpf", "uvloop")]
EITHER = {"PYTHONPATH": paths.PROGRAMS}
POOR = ["/usr/bin/setpriv", "--reuid", "65534", "--clear-groups"]


def need_loop(loop):
    attached.need()
    if loop == "uvloop":
        runner.need_package("python3-uvloop", pythons.debian().has("uvloop"))


def seen(how, path, python=None, options=(), loop="asyncio"):
    """The program's words and loophound's report, from beside the shim or from outside."""
    need_loop(loop)
    python = python or pythons.debian()
    if how == "bpf":
        outcome, told = attached.attached(python, path, loop, options=options)
        return outcome.stdout.split(), told.report
    outcome = watch.watched([*python.argv, path], ["--bpf", "on", *options], env=EITHER)
    assert outcome.status == 0, outcome.text()
    return outcome.stdout.split(), outcome.report


def cause_of(found):
    """The parts, which add up to the whole."""
    parts = found["cause"]
    measured = sum(ns for ns in parts.values() if ns is not None)
    assert abs(measured - found["total_ns"]) <= len(parts), found
    return parts


def assert_near(ns, wanted, found):
    """Within 5 %; two milliseconds, or 1 % of all that the stall lasted, where that is more."""
    assert abs(ns - wanted) <= max(wanted / 20, found["total_ns"] / 100, 2e6), (ns, wanted, found)


@test(each=pythons.every)
def sleeps_are_blocked(python):
    path = attached.program("naps.py")
    words, told = seen("shim", path, python)
    told.assert_counts(path)
    found = told.one("blocking-call")
    parts = cause_of(found)
    assert_near(parts["blocked_ns"] + parts["run_queue_ns"], int(words[0]), found)
    assert parts["on_cpu_ns"] < 7e6 and parts["unknown_ns"] < 7e6, found
    assert "causes" in told.processes[0]["detectors"], told.processes


@test(each=HOW)
def others_on_the_cpu_are_the_run_queue(how):
    path = attached.program("queued.py")
    words, told = seen(how, path)
    found = told.one("slow-callback", path, mark_line(path, "slow-callback"))
    parts = cause_of(found)
    assert_near(parts["on_cpu_ns"], int(words[0]), found)
    assert_near(parts["run_queue_ns"], int(words[1]), found)


@test(each=HOW)
def other_threads_of_python_are_the_gil(how):
    path = attached.program("gil.py")
    words, told = seen(how, path)
    found = told.one("slow-callback", path, mark_line(path, "slow-callback"))
    parts = cause_of(found)
    assert_near(parts["on_cpu_ns"], int(words[0]), found)
    assert parts["gil_wait_ns"] > 50e6 and parts["blocked_ns"] < 2e6, found


@test(each=HOW)
def lock_is_not_the_gil(how):
    path = attached.program("locked.py")
    words, told = seen(how, path)
    found = told.one("blocking-call", path, mark_line(path, "blocking-call"))
    parts = cause_of(found)
    assert_near(parts["blocked_ns"] + parts["run_queue_ns"], int(words[0]), found)
    assert parts["gil_wait_ns"] < 2e6, found


@test(each=HOW)
def wait_that_no_signal_ends_is_told_apart(how):
    path = attached.program("unkillable.py")
    words, told = seen(how, path)
    line = mark_line(path, "blocking-call")
    (found,) = [one for one in told.findings if line - 1 <= one["culprit"]["line"] <= line]
    assert found["count"] == 5, told.brief()
    parts = cause_of(found)
    assert_near(parts["uninterruptible_ns"] + parts["run_queue_ns"], int(words[0]), found)
    assert parts["blocked_ns"] < 2e6, found


@test(each=HOW)
def page_that_comes_late_is_a_page_fault(how):
    if not os.path.exists("/proc/sys/vm/unprivileged_userfaultfd"):
        runner.skip("this kernel leaves no page faults to programs (userfaultfd)")
    path = attached.program("paged.py")
    words, told = seen(how, path)
    line = mark_line(path, "slow-callback")
    found = next(one for one in told.findings if one["culprit"]["line"] == line)
    parts = cause_of(found)
    assert_near(parts["page_fault_ns"], int(words[0]), found)
    if how == "shim":
        assert found["kind"] == "slow-callback", found
        assert found["message"].endswith("mostly waiting for pages of its memory"), found


@test(each=HOW_ON, label="-".join)
def stop_is_nobodys(how_on):
    path = attached.program("paused.py")
    words, told = seen(how_on[0], path, loop=how_on[1])
    found = told.one("slow-callback", path, mark_line(path, "slow-callback"))
    parts = cause_of(found)
    assert_near(parts["on_cpu_ns"], int(words[0]), found)
    # It was stopped for 311 ms.
    assert found["total_ns"] - parts["run_queue_ns"] < int(words[0]) * 1.1, found


@test(each=HOW_ON, label="-".join)
def quota_is_nobodys(how_on):
    how, loop = how_on
    need_loop(loop)
    path = attached.program("throttled.py")
    with quota.Quota(0.2) as group:
        if how == "bpf":
            process, pid = attached.start_gated(pythons.debian(), path, loop)
            group.take(pid)
            report = watch.report_path()
            loophound = attached.start_attach(pid, (), report)
            attached.go(process)
            outcome = attached.finish(process, [path])
            attached.finish(loophound, ["attach"])
            told = attached.Report.load(report)
        else:
            argv = group.argv([*pythons.debian().argv, path])
            outcome = watch.watched(argv, ["--bpf", "on"], env=EITHER)
            told = outcome.report
    assert outcome.status == 0, outcome.text()
    spans = [int(word) for word in outcome.stdout.split()]
    assert spans[0] > 150e6, f"it was not throttled: {spans}"
    found = told.one("slow-callback", path, mark_line(path, "slow-callback"))
    parts = cause_of(found)
    assert found["count"] == 1, (spans, told.brief())
    assert_near(parts["on_cpu_ns"], 151e6, found)
    assert found["total_ns"] - parts["run_queue_ns"] < 151e6 * 1.1, (spans, found)


@test
def daemon_has_exact_causes_too():
    attached.need()
    path = attached.program("naps.py")
    socket = os.path.join(os.path.dirname(watch.report_path()), "socket")
    daemon = attached.start([paths.LOOPHOUNDD, "--bpf", "on", "--socket", socket])
    line = daemon.stderr.readline()
    assert b"listening" in line, line + daemon.stderr.read()
    outcome = watch.run([*pythons.debian().argv, path],
                        env={"LD_PRELOAD": paths.SHIM, "LOOPHOUND_SOCKET": socket})
    asked = watch.run([paths.LOOPHOUND, "report", "--socket", socket, "--json"])
    daemon.terminate()
    daemon.communicate()
    found = attached.Report(json.loads(asked.stdout)).one("blocking-call")
    parts = cause_of(found)
    assert_near(parts["blocked_ns"] + parts["run_queue_ns"], int(outcome.stdout.split()[0]), found)


NEW_PIDS = ["/usr/bin/unshare", "--pid", "--fork", "--mount-proc"]


@test(each=["program", "loophound"])
def causes_are_the_same_in_a_pid_namespace(which):
    """The program has other numbers than loophound knows it by; and loophound others than the kernel."""
    attached.need()
    path = attached.program("naps.py")
    argv = [*pythons.debian().argv, path]
    report = watch.report_path()
    if which == "program":
        argv = watch.run_argv([*NEW_PIDS, *argv], report, ["--bpf", "on"])
    else:
        argv = [*NEW_PIDS, *watch.run_argv(argv, report, ["--bpf", "on"])]
    outcome = watch.run(argv)
    assert outcome.status == 0, outcome.text()
    told = attached.Report.load(report)
    told.assert_counts(path)
    found = told.one("blocking-call")
    assert_near(cause_of(found)["blocked_ns"], int(outcome.stdout.split()[0]), found)


@test
def unasked_and_auto_without_privilege_tell_none():
    path = attached.program("naps.py")
    attached.need()
    for options, before in ([], []), (["--bpf", "off"], []), (["--bpf", "auto"], POOR):
        argv = watch.run_argv([*pythons.debian().argv, path], None, ["--json", *options], False)
        outcome = watch.run([*before, *argv], env={"HOME": "/"})
        assert outcome.status == 0, outcome.text()
        told = attached.Report(json.loads(outcome.stderr))
        assert "causes" not in told.processes[0]["detectors"], told.processes
        assert told.one("blocking-call")["cause"]["blocked_ns"] is None, told.brief()


@test
def on_without_privilege_says_what_is_missing():
    attached.need()
    argv = [paths.LOOPHOUND, "run", "--bpf", "on", "--", "/bin/true"]
    outcome = watch.run([*POOR, *argv], env={"HOME": "/"})
    lines = outcome.stderr.decode().splitlines()
    assert outcome.status == 4 and len(lines) == 1 and "CAP_BPF" in lines[0], outcome.text()


@test
def word_that_is_none_is_refused():
    outcome = watch.run([paths.LOOPHOUND, "run", "--bpf", "maybe", "--", "/bin/true"])
    assert outcome.status == 2 and b"auto, on or off" in outcome.stderr, outcome.text()


runner.main(__name__)
