# SPDX-License-Identifier: Apache-2.0
"""Turns and callbacks: what is a long turn, what is a slow callback, and what is neither."""
import setup  # noqa: F401
import glob
import os

from lib import paths, pythons, runner, watch
from lib.report import mark_line
from lib.runner import test

QUIET = sorted(os.path.basename(path) for path in glob.glob(paths.program("quiet_*.py")))


def cells():
    """(python, loop): asyncio on Debian's Python, uvloop wherever there is one."""
    found = [(pythons.debian(), "asyncio")]
    return found + [(python, "uvloop") for python in pythons.having("uvloop")]


def cell_label(cell):
    return f"{cell[1]}-{cell[0]}"


def quiet_cells():
    return [(*cell, program) for program in QUIET for cell in cells()]


def quiet_label(cell):
    return f"{cell[2][len('quiet_'):-len('.py')]}-{cell_label(cell)}"


@test
def uvloop_is_there():
    runner.need_package("python3-uvloop", pythons.debian().has("uvloop"))


@test(each=cells, label=cell_label)
def fifteen_short_callbacks_are_one_long_turn(cell):
    python, loop = cell
    path = paths.program("fifteen.py")
    outcome = watch.both([*python.argv, path, loop])
    report = outcome.report
    assert len(report.findings) == 1, report.brief()
    found = report.findings[0]
    assert (found["kind"], found["count"]) == ("long-turn", 1), report.brief()
    assert found["culprit"]["line"] == mark_line(path, "long-turn"), report.brief()
    assert 300e6 <= found["max_ns"] < 900e6, found["max_ns"]


@test
def what_runs_between_two_turns_is_counted_and_named():
    path = paths.program("between_turns.py")
    watch.both([*pythons.debian().argv, path]).report.assert_counts(path)


@test(each=cells, label=cell_label)
def one_long_callback_is_one_slow_callback(cell):
    python, loop = cell
    path = paths.program("one_slow.py")
    outcome = watch.both([*python.argv, path, loop])
    outcome.report.assert_counts(path)
    found = outcome.report.one("slow-callback")
    assert 300e6 <= found["max_ns"] < 900e6, found["max_ns"]


@test(each=cells, label=cell_label)
def one_line_reached_two_ways_is_one_finding_with_two_stacks(cell):
    python, loop = cell
    path = paths.program("two_ways.py")
    outcome = watch.both([*python.argv, path, loop])
    outcome.report.assert_counts(path)
    found = outcome.report.one("blocking-call")
    counts = sorted(stack["count"] for stack in found["stacks"])
    assert counts == [5, 7], outcome.report.brief()


@test(each=quiet_cells, label=quiet_label)
def correct_program_is_silent(cell):
    python, loop, name = cell
    outcome = watch.both([*python.argv, paths.program(name), loop])
    assert outcome.status == 0, outcome.text()
    outcome.report.assert_silent()
    named = {seen["framework"] for seen in outcome.report.loops if seen["turns"]}
    assert named == {loop}, outcome.report.brief()


runner.main(__name__)
