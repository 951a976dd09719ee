# SPDX-License-Identifier: Apache-2.0
"""The baseline: what was known breaks no gate, what comes after does, and the file only shrinks."""
import setup  # noqa: F401
import os
import tempfile

from lib import paths, pythons, runner, watch
from lib.report import Report
from lib.runner import test

OLD = """
def old():
    time.sleep(0.05)
"""
NEW = """
def new():
    time.sleep(0.05)
"""


def program(*parts, calls="old()", folder=None, before=""):
    folder = folder or tempfile.mkdtemp(prefix="baseline-")
    with open(os.path.join(folder, "app.py"), "w") as file:
        file.write(before + "import asyncio\nimport time\n" + "\n".join(parts) +
                   "\nasync def main():\n    await asyncio.sleep(0)\n" +
                   "".join(f"    {call}\n" for call in calls.split()) + "\nasyncio.run(main())\n")
    return folder


def run(folder, *options, baseline="b.txt", quiet=True):
    path = os.path.join(folder, "report.json")
    command = [paths.LOOPHOUND, "run", "--report", path, "--baseline", baseline, *options]
    command += ["--quiet"] if quiet else []
    outcome = watch.run([*command, "--", *pythons.debian().argv, "app.py"], cwd=folder)
    outcome.report = Report.load(path) if os.path.exists(path) and os.path.getsize(path) else None
    return outcome


def content(folder):
    with open(os.path.join(folder, "b.txt")) as file:
        return file.read()


def accepted(*parts, **keywords):
    folder = program(*parts, **keywords)
    outcome = run(folder, "--update-baseline", "--accept-new", "--fail-on", "any")
    assert outcome.status == 0, outcome.text()
    return folder


@test
def what_was_known_breaks_no_gate():
    folder = accepted(OLD)
    outcome = run(folder, "--fail-on", "any")
    assert outcome.status == 0, outcome.text()
    assert outcome.report.one("blocking-call")["baseline"] == "known"
    assert outcome.report.raw["baseline"]["known"] == 1


@test
def moved_code_and_another_folder_stay_known():
    folder = accepted(OLD)
    other = program(OLD, before="# a line\n" * 17)
    outcome = run(other, "--fail-on", "any", baseline=os.path.join(folder, "b.txt"))
    assert outcome.status == 0, outcome.text()
    assert outcome.report.one("blocking-call")["culprit"]["line"] > 17


@test
def a_new_call_fails_and_is_told():
    folder = accepted(OLD)
    program(OLD, NEW, calls="old() new()", folder=folder)
    outcome = run(folder, "--fail-on", "any", quiet=False)
    assert outcome.status == 3, outcome.text()
    states = {f["culprit"]["function"]: f["baseline"] for f in outcome.report.findings}
    assert states == {"old": "known", "new": "new"}, states
    assert b"1 new, 0 worse, 1 known, 0 gone" in outcome.stderr, outcome.text()


@test
def a_second_call_in_a_known_function_is_new():
    folder = accepted(OLD)
    program(OLD + "    time.sleep(0.05)\n", folder=folder)
    outcome = run(folder, "--fail-on", "any")
    assert outcome.status == 3, outcome.text()
    assert sorted(f["baseline"] for f in outcome.report.findings) == ["known", "new"]


@test
def another_function_that_calls_it_is_worse():
    folder = accepted(OLD)
    program(OLD, "def two():\n    old()\n", calls="old() two()", folder=folder)
    outcome = run(folder, "--fail-on", "any")
    assert outcome.status == 3, outcome.text()
    finding = outcome.report.one("blocking-call")
    assert (finding["baseline"], finding["worse"]) == ("worse", "reached in a new way"), finding


@test
def another_call_is_new():
    folder = accepted(OLD)
    program(OLD.replace("time.sleep(0.05)", "__import__('select').poll().poll(50)"), folder=folder)
    outcome = run(folder, "--fail-on", "any")
    assert outcome.status == 3, outcome.text()
    assert outcome.report.raw["baseline"]["gone"][0]["site"].endswith("app:old clock_nanosleep")


@test
def it_shrinks_and_never_grows_by_itself():
    folder = accepted(OLD, NEW, calls="old() new()")
    assert content(folder).count("blocking-call") == 2
    program(NEW, "def third():\n    time.sleep(0.05)\n", calls="new() third()", folder=folder)
    outcome = run(folder, "--update-baseline", "--fail-on", "any", quiet=False)
    assert outcome.status == 3, outcome.text()
    assert "app:new" in content(folder) and content(folder).count("blocking-call") == 1
    assert b"1 removed, " in outcome.stderr and b", 0 accepted" in outcome.stderr, outcome.text()
    assert sorted(os.listdir(folder)) == ["app.py", "b.txt", "report.json"], os.listdir(folder)


@test
def it_stays_when_the_command_fails():
    folder = accepted(OLD)
    before = content(folder)
    program("raise SystemExit(7)", folder=folder)
    outcome = run(folder, "--update-baseline")
    assert outcome.status == 7 and content(folder) == before, outcome.text()
    assert b"stays as it is" in outcome.stderr, outcome.text()


@test
def bad_ones_are_told_in_one_line_before_anything_runs():
    folder = accepted(OLD)
    good = content(folder)
    cases = {
        "# loophound baseline 9\n": "newer",
        "": "not a baseline",
        good.replace("\n", "\n<<<<<<< HEAD\n", 1): "line 2: a merge conflict",
        good + good.splitlines()[2] + "\n": "twice",
        good.replace(" 1 ", " one "): "line 3: ",
        "\0\xff\n": "not a baseline",
    }
    with open(os.path.join(folder, "app.py"), "w") as file:
        file.write("open('ran', 'w')")
    for text, word in cases.items():
        with open(os.path.join(folder, "b.txt"), "w") as file:
            file.write(text)
        outcome = run(folder)
        lines = outcome.stderr.decode().splitlines()
        assert outcome.status == 2 and len(lines) == 1 and word in lines[0], outcome.text()
    assert not os.path.exists(os.path.join(folder, "ran"))


@test
def bad_options_are_told():
    folder = program(OLD)
    for options, word in (
        (["--update-baseline"], b"there is none yet"), (["--accept-new"], b"belongs to"), ([], b"No such"),
    ):
        outcome = run(folder, *options)
        assert outcome.status == 2 and word in outcome.stderr, outcome.text()
    outcome = watch.run([paths.LOOPHOUND, "run", "--update-baseline", "--", "true"])
    assert outcome.status == 2 and b"--baseline FILE" in outcome.stderr, outcome.text()
    outcome = run(folder, "--update-baseline", "--accept-new", baseline="no/such/folder/b.txt")
    assert outcome.status == 2 and b"cannot be written" in outcome.stderr, outcome.text()


runner.main(__name__)
