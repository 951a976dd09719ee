# SPDX-License-Identifier: Apache-2.0
"""Loops of uvloop, attached from outside: turns of libuv, with nothing put into the process."""
import setup  # noqa: F401
import glob
import os
import signal

import attached
from lib import paths, pythons, runner, watch
from lib.report import Report, mark_line
from lib.runner import test

MILLISECOND = 1e6
QUIET = sorted(os.path.basename(path) for path in glob.glob(paths.program("quiet_*.py")))


def having_uvloop():
    return pythons.having("uvloop")


def uvloops(report):
    return [loop for loop in report.loops if loop["framework"] == "uvloop"]


@test(each=having_uvloop)
def one_long_callback_is_one_slow_callback(python):
    attached.need()
    path = paths.program("one_slow.py")
    _, told = attached.attached(python, path, "uvloop")
    told.report.assert_counts(path)
    found = told.report.one("slow-callback")
    # It computes for 300 ms; where it began is known to a look, 1 ms.
    assert 299e6 <= found["max_ns"], found
    assert abs(found["cause"]["on_cpu_ns"] - 300e6) < 300e6 / 20, found["cause"]
    assert uvloops(told.report), told.report.brief()
    assert not told.report.lost(), told.report.lost()


@test(each=having_uvloop)
def fifteen_short_callbacks_are_one_long_turn(python):
    attached.need()
    path = paths.program("fifteen.py")
    _, told = attached.attached(python, path, "uvloop")
    found = told.report.one("long-turn", path, mark_line(path, "long-turn"))
    assert found["count"] == 1 and len(told.report.findings) == 1, told.report.brief()
    assert abs(found["cause"]["on_cpu_ns"] - 300e6) < 300e6 / 20, found["cause"]


def report_of_one_found_late(python, path, until):
    """Loophound stands still until the program has said that line, as on a busy host."""
    report = watch.report_path()
    process, pid = attached.start_gated(python, path, "uvloop")
    loophound = attached.start_attach(pid, (), report)
    loophound.send_signal(signal.SIGSTOP)
    attached.go(process)
    assert process.stdout.readline() == until
    loophound.send_signal(signal.SIGCONT)
    attached.finish(process, [path])
    attached.finish(loophound, ["attach"])
    return Report.load(report)


@test(each=having_uvloop)
def turn_of_a_loop_that_is_found_late_is_whole(python):
    attached.need()
    path = attached.program("late.py")
    told = report_of_one_found_late(python, path, b"three\n")
    told.assert_counts(path)
    found = told.one("long-turn")
    assert abs(found["cause"]["on_cpu_ns"] - 300e6) < 300e6 / 20, found["cause"]


@test(each=having_uvloop)
def callback_of_a_loop_that_is_found_late_is_whole(python):
    attached.need()
    path = attached.program("lateone.py")
    told = report_of_one_found_late(python, path, b"third\n")
    told.assert_counts(path)
    found = told.one("slow-callback")
    assert 299e6 <= found["max_ns"], found
    assert abs(found["cause"]["on_cpu_ns"] - 300e6) < 300e6 / 20, found["cause"]


@test(each=having_uvloop)
def one_line_reached_two_ways_is_one_finding_with_two_stacks(python):
    attached.need()
    path = paths.program("two_ways.py")
    _, told = attached.attached(python, path, "uvloop")
    told.report.assert_counts(path)
    found = told.report.one("blocking-call")
    assert sorted(stack["count"] for stack in found["stacks"]) == [5, 7], told.report.brief()


@test(each=having_uvloop)
def calls_have_their_line_and_size(python):
    attached.need()
    path = attached.program("sleeps.py")
    seen, told = attached.attached(python, path, "uvloop")
    told.report.assert_counts(path)
    found = told.report.one("blocking-call")
    total, longest = (int(word) for word in seen.stdout.split())
    assert abs(found["total_ns"] - total) < found["count"] * MILLISECOND, (found, total)
    assert abs(found["max_ns"] - longest) < MILLISECOND, (found, longest)
    assert not told.report.lost(), told.report.lost()


@test(each=having_uvloop)
def callbacks_of_one_turn_are_told_apart(python):
    attached.need()
    path = attached.program("many.py")
    _, told = attached.attached(python, path, "uvloop")
    told.report.assert_counts(path)


@test(each=having_uvloop)
def nested_poll_is_a_call(python):
    attached.need()
    path = attached.program("nested.py")
    _, told = attached.attached(python, path, "uvloop")
    told.report.assert_counts(path)
    assert told.report.one("blocking-call")["call"]["name"] == "epoll_wait"


@test(each=having_uvloop)
def turns_that_never_sleep_are_told_apart(python):
    attached.need()
    path = attached.program("spins.py")
    _, told = attached.attached(python, path, "uvloop")
    told.report.assert_counts(path)
    assert uvloops(told.report)[0]["turns"] >= 211, told.report.brief()


@test(each=having_uvloop)
def same_as_the_shim_says(python):
    """The same program, preloaded and attached to: same sites, counts and, to a ms each, times."""
    attached.need()
    path = attached.program("sleeps.py")
    argv = [*python.argv, attached.GATE, path, "uvloop"]
    inside = watch.watched(argv, stdin=b"\n").report
    _, told = attached.attached(python, path, "uvloop")
    assert inside.counts() == told.report.counts(), (inside.brief(), told.report.brief())
    one, other = inside.one("blocking-call"), told.report.one("blocking-call")
    assert abs(one["total_ns"] - other["total_ns"]) < one["count"] * MILLISECOND, (one, other)


@test(each=QUIET)
def correct_program_is_silent(name):
    attached.need()
    python = pythons.debian()
    runner.need_package("python3-uvloop", python.has("uvloop"))
    _, told = attached.attached(python, paths.program(name), "uvloop")
    told.report.assert_silent()


runner.main(__name__)
