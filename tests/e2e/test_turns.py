# SPDX-License-Identifier: Apache-2.0
"""Turns and callbacks: what is a long turn, what is a slow callback, and what is neither."""
import setup  # noqa: F401
import glob
import os

from lib import paths, pythons, runner, watch
from lib.report import mark_line
from lib.runner import test

QUIET = sorted(os.path.basename(path) for path in glob.glob(paths.program("quiet_*.py")))
# Of 300 ms of work, on a machine that lets it run a tenth of the time.
LONGEST_NS = 3e9


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
    assert 300e6 <= found["max_ns"] < LONGEST_NS, found["max_ns"]


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
    assert 300e6 <= found["max_ns"] < LONGEST_NS, found["max_ns"]


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


@test
def gil_held_by_another_thread_is_told_and_nobody_is_blamed():
    outcome = watch.watched([*pythons.debian().argv, paths.program("gil_hog.py")], quiet=False)
    assert outcome.status == 0, outcome.text()
    assert not outcome.report.findings, outcome.report.brief()
    process, = [each for each in outcome.report.processes if each["python"]]
    assert process["not_blamed"]["gil"] >= 1, process
    assert "while another thread held the GIL" in outcome.stderr.decode(), outcome.text()


@test
def stuck_turn_counts_in_the_figures_of_its_loop():
    """It never ended, so no histogram has it: a gate on the longest turn must not pass."""
    path = paths.program("spins_and_exits.py")
    outcome = watch.watched([*pythons.debian().argv, path],
                            ["--fail-on", "turn-max>1s", "--fail-on", "utilisation>80%"])
    gates = {gate["expr"]: gate for gate in outcome.report.raw["gates"]}
    assert outcome.status == 3, outcome.text()
    assert not gates["turn-max>1s"]["ok"] and not gates["utilisation>80%"]["ok"], gates


runner.main(__name__)
