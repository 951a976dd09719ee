# SPDX-License-Identifier: Apache-2.0
"""The same programs on every interpreter there is: same findings, and nothing they could notice."""
import setup  # noqa: F401
import re

from lib import paths, pythons, runner, watch
from lib.report import mark_line
from lib.runner import Skip, test


@test
def sid_pythons_are_there():
    reason = pythons.sid_reason()
    if reason:
        raise Skip(reason, installable="tools/sid makes it" in reason)
    assert [python.minor for python in pythons.sid()] == [(3, 14), (3, 15)]


@test(each=pythons.every)
def same_findings_at_the_same_lines(python):
    path = paths.program("same.py")
    outcome = watch.watched([*python.argv, path])
    assert outcome.status == 3, outcome.text()
    outcome.report.assert_counts(path)
    assert not outcome.report.lost(), outcome.report.brief()


@test(each=pythons.every)
def report_names_the_interpreter(python):
    outcome = watch.watched([*python.argv, paths.program("blocks.py"), "1"])
    told = [process["python"] for process in outcome.report.processes if process["python"]]
    assert len(told) == 1, outcome.report.brief()
    assert told[0]["version"].split()[0] == python.version, told
    assert told[0]["implementation"].lower() == "cpython", told


@test(each=pythons.every, alone=True)
def durations_are_what_the_program_measured(python):
    outcome = watch.watched([*python.argv, paths.program("measures.py")])
    outcome.report.assert_counts(paths.program("measures.py"))
    outcome.report.assert_as_measured(outcome.stdout)


@test(each=pythons.every)
def frames_tracebacks_and_warnings_are_its_own(python):
    watch.both([*python.argv, paths.program("same.py")])


def without_addresses_and_slow_steps(content):
    """asyncio in debug mode tells itself of the steps that the machine was slow at."""
    content = re.sub(rb"0x[0-9a-f]+", b"0x", content)
    return re.sub(rb"Executing <.* took \d+\.\d+ seconds\n", b"", content)


@test(each=pythons.every)
def debug_mode_with_all_warnings_is_its_own(python):
    argv = [*python.argv, "-W", "always", "-X", "dev", paths.program("same.py")]
    watch.both(argv, normal=without_addresses_and_slow_steps)


@test(each=pythons.every)
def an_unhandled_exception_ends_it_as_ever(python):
    path = paths.program("unhandled.py")
    outcome = watch.both([*python.argv, path])
    assert outcome.status == 1, outcome.text()
    line = mark_line(path, "blocking-call")
    assert outcome.report.one("blocking-call", path, line)["count"] == 1


@test(each=pythons.every)
def forks_in_a_loop_are_clean_with_warnings_as_errors(python):
    outcome = watch.both([*python.argv, "-W", "error", paths.program("forks.py")])
    assert outcome.status == 0 and outcome.stderr == b"", outcome.text()


@test(each=pythons.every)
def forked_children_are_counted_with_their_parent(python):
    path = paths.program("forks.py")
    outcome = watch.watched([*python.argv, path])
    # The fork itself is a call of the parent's turn, and on a busy machine a slow one.
    outcome.report.findings[:] = [
        found for found in outcome.report.findings
        if not (found["call"] and found["call"]["name"] == "fork")
    ]
    outcome.report.assert_counts(path)
    pids = {pid for found in outcome.report.findings for pid in found["pids"]}
    assert len(pids) == 7, outcome.report.brief()


@test(each=pythons.every)
def standard_input_is_the_programs(python):
    code = "import sys; print(sys.stdin.read()[::-1])"
    outcome = watch.both([*python.argv, "-c", code], stdin=b"0123456789" * 10007)
    assert outcome.status == 0 and len(outcome.stdout) == 100071, outcome.text()[:500]


runner.main(__name__, at_once=2)
