# SPDX-License-Identifier: Apache-2.0
"""Native frames from outside: of what waits, which is not stopped for it, and of what computes."""
import setup  # noqa: F401

import attached
from lib import pythons, runner
from lib.report import mark_line
from lib.runner import test

NATIVES = attached.program("natives.py")


def natives_within(stack, line):
    """The names of the native frames inside the program's own line."""
    names = []
    for frame in stack["frames"]:
        if frame["kind"] == "python":
            assert (frame["file"], frame["line"]) == (NATIVES, line), stack
            return names
        assert frame["kind"] == "native" and frame["module"], frame
        names.append(frame["function"])
    raise AssertionError(f"no Python frame: {stack}")


@test(each=pythons.every)
def what_waits_and_what_computes_have_their_native_frames(python):
    attached.need()
    # Debian's newest are stripped of the names of their functions.
    has_names = python.minor < (3, 14)
    _, told = attached.attached(python, NATIVES, options=["--native"])
    waits = told.report.one("blocking-call", NATIVES, mark_line(NATIVES, "blocking-call"))
    assert waits["count"] == 3, told.report.brief()
    n_native = 0
    for stack in waits["stacks"]:
        names = natives_within(stack, waits["culprit"]["line"])
        n_native += stack["count"] if names else 0
        assert not names or names[-1 - has_names].endswith(("select", "clock_nanosleep")), names
        assert not names or not has_names or names[-1] == "time_sleep", names
    # Those that were over before they were looked at are counted.
    missed = told.report.lost().get("native-missed", 0)
    unmerged = told.report.lost().get("stack-unmerged", 0)
    assert n_native > 0 and 3 - unmerged <= n_native + missed <= 3, (n_native, told.report.lost())
    line = mark_line(NATIVES, "slow-callback")
    computes = told.report.one("slow-callback", NATIVES, line)
    merged = [stack for stack in computes["stacks"] if stack["frames"][0]["kind"] == "native"]
    if has_names:
        assert any("builtin_sum" in natives_within(stack, line) for stack in merged), computes
    # Once in some twenty runs on a busy machine one does not fit its Python frames, and is counted.
    lost = told.report.lost()
    assert not lost.keys() - {"native-missed", "stack-unmerged"}, lost
    assert lost.get("stack-unmerged", 0) <= 1, lost


@test
def without_native_there_are_none():
    attached.need()
    _, told = attached.attached(pythons.debian(), NATIVES)
    told.report.assert_counts(NATIVES)
    kinds = {frame["kind"] for found in told.report.findings for stack in found["stacks"]
             for frame in stack["frames"]}
    assert kinds == {"python"}, kinds


runner.main(__name__)
