# SPDX-License-Identifier: Apache-2.0
"""The task of a stall: its name, what it awaits and who awaits it, as the program itself says."""
import setup  # noqa: F401
import json
import os

from lib import paths, pythons, runner, watch
from lib.report import mark_line, same_file
from lib.runner import Skip, test

PROGRAM = paths.program("tasks.py")


def every_python_and_loop():
    return [
        f"{python}/{loop}" for python in pythons.every() for loop in ("asyncio", "uvloop")
        if loop == "asyncio" or python.has("uvloop")
    ]


def of_label(label):
    found, loop = label.split("/")
    python, = [python for python in pythons.every() if str(python) == found]
    return python, loop


def same_but_for_times(argv):
    """Watched, with the same output as unwatched; what the program says, and the report."""
    outcome = watch.both(argv)
    assert outcome.status == 0, outcome.text()
    assert not outcome.report.lost(), outcome.report.brief()
    return json.loads(outcome.stdout), outcome.report


def found_for(report, told):
    """The finding of a stall: a call by its line, work by its function."""
    found = [
        finding for finding in report.findings
        if same_file(finding["culprit"]["file"], PROGRAM) and (
            finding["culprit"]["line"] == told["line"] if told["what"] == "call"
            else finding["culprit"]["function"] == told["what"])
    ]
    assert len(found) == 1, f"{told}\n{report.brief()}"
    return found[0]


def without_folders(task):
    """As the program tells of it."""
    def base(place):
        return os.path.basename(place["file"])

    return {
        "name": task["name"], "coro": task["coro"],
        "await_chain": [[base(at), at["line"], at["function"]] for at in task["await_chain"]],
        "awaited_by": [[by["name"], by["coro"], base(by), by["line"]] for by in task["awaited_by"]],
    }


@test(each=every_python_and_loop)
def task_of_each_stall_is_what_the_program_says(python_and_loop):
    python, loop = of_label(python_and_loop)
    told, report = same_but_for_times(
        [*python.argv, PROGRAM, *(["uvloop"] if loop == "uvloop" else [])])
    assert {entry["framework"] for entry in report.loops} == {loop}, report.brief()
    assert len(told) == 8 and len(report.findings) == 8, report.brief()
    for stall in told:
        task = found_for(report, stall)["task"]
        if not stall["has_task"]:
            assert task is None, (stall, task)
            continue
        assert task, stall
        assert without_folders(task) == {key: stall[key] for key in without_folders(task)}, stall
    awaited = [stall["name"] for stall in told if stall["awaited_by"]]
    assert len(awaited) == (7 if python.minor >= (3, 14) else 0), awaited


runner.main(__name__)
