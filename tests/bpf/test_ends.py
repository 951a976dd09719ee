# SPDX-License-Identifier: Apache-2.0
"""Ends: of threads, processes and programs, of loophound itself, and of the room in a ring."""
import setup  # noqa: F401
import signal
import subprocess

import attached
from lib import paths, pythons, runner, watch
from lib.report import Report
from lib.runner import test


MAX_UNREAD = 3


def map_ids(pid, name):
    """The kernel's numbers of the maps of that name that a process holds."""
    found = {int(words["map_id"]) for words in attached.descriptors(pid) if "map_id" in words}
    return [one for one in sorted(found) if attached.bpftool("map", "show", "id", str(one))["name"] == name]


def n_threads(loophound):
    """How many threads its probe knows."""
    (number,) = map_ids(loophound.pid, "threads")
    return len(attached.bpftool("map", "dump", "id", str(number)))


@test
def what_has_ended_is_forgotten():
    attached.need()
    path = attached.program("brief.py")
    report = watch.report_path()
    process, pid = attached.start_gated(pythons.debian(), path)
    loophound = attached.start_attach(pid, (), report)
    attached.go(process)
    assert process.stdout.readline() == b"done\n"
    # The loop's, and the one that reads; the last to end may not have.
    attached.wait_for(lambda: n_threads(loophound) <= 3,
                      lambda: f"threads that live are known alone: {n_threads(loophound)}")
    attached.go(process)
    attached.finish(process, [path])
    attached.finish(loophound, ["attach"])
    told = Report.load(report)
    lost = told.lost()
    # On some hosts the kernel finds a page of a new thread or process missing now and then, and may
    # not wait for it: one to three stacks of a run, each of them counted.
    unread = lost.pop("stack-unreadable", 0)
    runner.note(f"{unread} stacks could not be read")
    assert not told.findings and told.loops and not lost and unread <= MAX_UNREAD, told.brief()


@test
def loops_that_have_ended_make_room():
    """For 64 of a process there is room at a time."""
    attached.need()
    path = attached.program("oneoff.py")
    _, told = attached.attached(pythons.debian(), path)
    told.report.assert_counts(path)
    assert not told.report.lost(), told.report.lost()
    assert len(told.report.loops) > 40, told.report.brief()
    assert all(loop["turns"] < 20 for loop in told.report.loops), told.report.brief()


def at(report, path, mark):
    with open(path) as file:
        line = 1 + [mark in text for text in file].index(True)
    return [one for one in report.findings if one["culprit"]["line"] == line]


@test
def ring_without_room_is_counted():
    """Loophound stands still while the program makes three times as many events as fit."""
    attached.need()
    path = attached.program("floods.py")
    report = watch.report_path()
    process, pid = attached.start_gated(pythons.debian(), path)
    loophound = attached.start_attach(pid, ["--blocking-call", "100us"], report)
    loophound.send_signal(signal.SIGSTOP)
    attached.go(process)
    n_waits = int(process.stdout.readline())
    loophound.send_signal(signal.SIGCONT)
    attached.go(process)
    assert process.stdout.readline() == b"after\n"
    # Its last words are read while the program is there still, and its names with it.
    loophound.send_signal(signal.SIGINT)
    attached.finish(loophound, ["attach"])
    attached.go(process)
    attached.finish(process, [path])
    told = Report.load(report)
    seen = sum(one["count"] for one in at(told, path, "# the flood") if one["call"])
    lost = told.lost()["ring-full"]
    runner.note(f"of {n_waits} waits {seen} seen, {lost} counted as lost")
    assert lost > 1000, told.lost()
    assert abs(seen + lost - n_waits) <= n_waits / 100, (seen, lost)
    assert [one["count"] for one in at(told, path, "# the one after")] == [1], told.brief()


@test
def wait_that_has_just_begun_has_its_own_stack():
    """Asked about a millisecond after it began, with a limit that it is past by then."""
    attached.need()
    path = attached.program("asks.py")
    for _ in range(7):
        report = watch.report_path()
        process, pid = attached.start_gated(pythons.debian(), path)
        loophound = attached.start_attach(
            pid, ["--blocking-call", "100us", "--stuck", "20ms"], report)
        attached.go(process)
        assert process.stdout.readline() == b"asking\n"
        attached.pass_ms(1)
        loophound.send_signal(signal.SIGINT)
        attached.finish(loophound, ["attach"])
        attached.go(process)
        attached.finish(process, [path])
        told = Report.load(report)
        stuck = [one for one in told.findings if one["kind"] == "stuck"]
        assert stuck == at(told, path, "# the wait"), told.brief()


@test(each=pythons.every)
def last_word_of_a_process_has_its_names(python):
    """Read when its memory is gone: loophound stands still from before its last wait to its end."""
    attached.need()
    path = attached.program("lastword.py")
    report = watch.report_path()
    process, pid = attached.start_gated(python, path)
    loophound = attached.start_attach(pid, (), report)
    attached.go(process)
    assert process.stdout.readline() == b"all but one\n"
    loophound.send_signal(signal.SIGSTOP)
    attached.go(process)
    attached.finish(process, [path])
    loophound.send_signal(signal.SIGCONT)
    attached.finish(loophound, ["attach"])
    # What its other thread kept it waiting for meanwhile was met once and may have no name.
    Report.load(report).assert_counts(path)


@test
def process_that_has_ended_already_is_one_line():
    """Nobody has waited for it yet, so its number is taken still; memory it has none."""
    attached.need()
    zombie = subprocess.Popen(["/bin/true"])
    attached.wait_for(lambda: attached.state_of(zombie.pid) == "Z", lambda: "it has ended")
    outcome = watch.run([paths.LOOPHOUND, "attach", "--no-inject", str(zombie.pid)])
    zombie.wait()
    assert outcome.status == 4 and len(outcome.stderr.splitlines()) == 1, outcome.text()
    assert b"no such process, or it has ended" in outcome.stderr, outcome.text()


MOMENTS_MS = range(0, 240, 12)


@test(timeout=240)
def process_that_ends_while_it_is_attached_to_is_one_line_or_a_report():
    """Killed at moments all over the start of loophound, which then says one or the other."""
    attached.need()
    outcomes = {"refused": 0, "watched": 0}
    for ms in MOMENTS_MS:
        report = watch.report_path()
        process, pid = attached.start_gated(pythons.debian(), attached.program("sleeps.py"))
        argv = [paths.LOOPHOUND, "attach", "--no-inject", "--report", report, str(pid)]
        loophound = attached.start(argv)
        attached.pass_ms(ms)
        process.kill()
        process.communicate()
        told = attached.finish(loophound, argv)
        lines = told.stderr.decode().splitlines()
        if told.status == 4:
            assert len(lines) == 1 and f"cannot watch pid {pid}" in lines[0], told.text()
            outcomes["refused"] += 1
        else:
            assert told.status == 0 and "watching pid" in lines[0], told.text()
            assert not Report.load(report).findings, told.text()
            outcomes["watched"] += 1
    runner.note(f"{outcomes}")
    assert all(outcomes.values()), f"no moment was in between: {outcomes}"


runner.main(__name__)
