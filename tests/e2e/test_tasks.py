# SPDX-License-Identifier: Apache-2.0
"""The task of a stall: its name, what it awaits and who awaits it, as the program itself says."""
import setup  # noqa: F401
import glob
import json
import os
import shutil
import tempfile

from lib import paths, pythons, runner, watch
from lib.report import Report, mark_line, same_file
from lib.runner import test

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
        assert task, (stall, report.brief())
        assert without_folders(task) == {key: stall[key] for key in without_folders(task)}, (task, stall)
    awaited = [stall["name"] for stall in told if stall["awaited_by"]]
    assert len(awaited) == (7 if python.minor >= (3, 14) else 0), awaited


@test
def debug_build_is_read_right():
    """Its objects are as a release's; only what it checks of itself is more."""
    runner.need_package("python3-dbg", shutil.which("python3-dbg"))
    told, report = same_but_for_times(["python3-dbg", PROGRAM])
    for stall in told:
        task = found_for(report, stall)["task"]
        assert (task and task["name"]) == stall["name"], (task, stall)
        assert not task or len(task["await_chain"]) == len(stall["await_chain"]), (task, stall)


ODD = paths.program("tasks_odd.py")


def lines_with(path, text):
    with open(path) as file:
        return [number for number, line in enumerate(file, 1) if text in line]


@test(each=pythons.every)
def odd_tasks_are_told_right_or_not_at_all(python):
    outcome = watch.watched([*python.argv, ODD])
    assert outcome.status == 0 and not outcome.stderr, outcome.text()
    told = {int(line): name for line, name in json.loads(outcome.stdout).items()}
    for line, name in told.items():
        task = outcome.report.one("blocking-call", ODD, line)["task"]
        found = task["name"] if task else None
        if name == "one of two":
            # It changed while it was read: one of the names, or none.
            assert found in (None, ("spam" * 1000)[:127], ("eggs" * 1000)[:127]), found
        else:
            assert found == name, (line, name, task)
    # A thread that comes late lets the other one wait for it, and that is a blocking call.
    others = [found for found in outcome.report.findings
              if found["culprit"]["line"] not in lines_with(ODD, "barrier.wait()")]
    assert len(others) == len(told), outcome.report.brief()
    assert not outcome.report.lost(), outcome.report.brief()


@test(each=pythons.every)
def killed_in_a_task_that_never_came_back(python):
    path = paths.program("task_stuck.py")
    outcome = watch.watched([*python.argv, path], ["--stuck", "300ms"])
    assert outcome.status == 137, outcome.text()
    task = outcome.report.one("stuck")["task"]
    assert (task["name"], task["coro"]) == ("the last one", "outer"), task
    assert [at["function"] for at in task["await_chain"]] == ["outer", "forever"], task


@test
def text_names_a_task_that_was_given_a_name():
    outcome = watch.watched([*pythons.debian().argv, PROGRAM], quiet=False)
    text = outcome.stderr.decode()
    assert "        in task three deep (three_deep)\n" in text, text
    assert "in task Task-" not in text, text


@test(each=pythons.every)
def recording_keeps_the_task(python):
    folder = tempfile.mkdtemp(prefix="recording-")
    outcome = watch.run([*python.argv, PROGRAM], env={
        "LD_PRELOAD": paths.SHIM, "LOOPHOUND_DIR": folder,
        "LOOPHOUND_SOCKET": folder + "/nobody-listens",
    })
    told = [stall for stall in json.loads(outcome.stdout) if stall["has_task"]]
    read = watch.run([paths.LOOPHOUND, "report", "--json", *glob.glob(folder + "/*.lhr")])
    report = Report(json.loads(read.stdout))
    for stall in told:
        task = found_for(report, stall)["task"]
        assert without_folders(task) == {key: stall[key] for key in without_folders(task)}, (task, stall)


def with_sub_interpreters():
    """3.8 dies by itself when a sub-interpreter has imported asyncio."""
    return [python for python in pythons.every() if python.minor > (3, 8)]


@test(each=with_sub_interpreters)
def task_of_a_sub_interpreter_is_told_from_that_of_the_main_one(python):
    path = paths.program("task_sub.py")
    outcome = watch.both([*python.argv, path])
    assert b"both" in outcome.stdout, outcome.text()
    found = {
        (call["culprit"]["file"][0] == "<", call["task"]["name"], call["task"]["coro"])
        for call in outcome.report.of("blocking-call")
    }
    assert found == {
        (True, "in a sub-interpreter", "inner"), (False, "in the main one", "outer"),
    }, outcome.report.brief()
    assert not outcome.report.lost(), outcome.report.brief()


def claims():
    """Each interpreter as it is and as if it was the one before or after; one as if of no kind."""
    found = []
    for python in pythons.every():
        before, after = (f"3.{python.minor[1] + step}.1" for step in (-1, 1))
        found += [f"{python}/{claim}" for claim in ("its own", before, after)]
    return found + [f"{pythons.debian()}/{claim}" for claim in ("3.16.0", "2.7.18", "x")]


# Frames, code and lines of these lie alike: the reader reads them right, and says so.
ALIKE = [{(3, 8), (3, 9)}]


@test(each=claims)
def interpreter_that_is_not_what_it_says_is_refused(label):
    python, claim = of_label(label)
    path = paths.program("tells_another_version.py")
    argv = [*python.argv, path, claim]
    bare, seen = watch.unwatched(argv), watch.watched(argv, quiet=False)
    assert (bare.status, bare.stdout) == (seen.status, seen.stdout), seen.text()
    assert bare.status == 0, bare.text()
    claimed = tuple(int(part) for part in claim.split(".")[:2]) if claim[0] in "23" else ()
    call = seen.report.one("blocking-call")
    if claim == "its own" or {python.minor, claimed} in ALIKE:
        assert call["culprit"]["line"] == mark_line(path, "blocking-call"), call
        assert not seen.report.lost(), seen.report.brief()
        return
    assert seen.report.lost() == {"python-unknown": 1}, seen.report.brief()
    assert b"not seen: python-unknown 1 (interpreters whose stacks cannot be read)" in seen.stderr
    assert call["task"] is None and not call["stacks"], call
    assert call["count"] == 1 and call["culprit"]["file"] is None, call


runner.main(__name__, at_once=2)
