# SPDX-License-Identifier: Apache-2.0
"""Every frame of a stall, on every interpreter: file, name and line, from both readers.

A call that waits is told by its own thread, work on the CPU by the watchdog. The program asks the
interpreter itself what its frames are; the report has to say the same, frame by frame.
"""
import setup  # noqa: F401
import json
import re

from lib import paths, pythons, runner, watch
from lib.runner import test

PROGRAM = paths.program("stacks.py")
MAX_FILE = 1023  # PYFRAME_MAX_FILE without its NUL
N_SCENES = 22


def scenes(outcome):
    _, _, text = outcome.stdout.decode().rpartition("STACKS")
    return json.loads(text)


def frames_of(stack):
    return [[frame["file"], frame["function"], frame["line"]] for frame in stack["frames"]
            if frame["kind"] == "python"]


def as_told(frames):
    """A file name is cut, and bytes of it that are no UTF-8 (lone surrogates) are U+FFFD."""
    return [[re.sub("[\ud800-\udfff]", "\ufffd", file)[:MAX_FILE], function, line]
            for file, function, line in frames]


def assert_scene(report, kind, leaf, expected):
    found = [f for f in report.of(kind) if f["culprit"]["function"] == leaf]
    assert len(found) == 1, f"{len(found)} {kind} at {leaf}:\n{report.brief()}"
    assert found[0]["count"] == 1, found[0]
    # The stack seen most often. On a busy machine another may be there of the moment before the
    # leaf or after it, when the thread was not let run.
    seen, wanted = frames_of(found[0]["stacks"][0]), as_told(expected)
    assert seen == wanted, f"{leaf}:\n" + "\n".join(
        f"{'  ' if a == b else '! '}{a}\n{'  ' if a == b else '! '}{b}"
        for a, b in zip(seen + [None] * 99, wanted + [None] * 99) if a or b)


def assert_all(outcome, kind):
    expected = scenes(outcome)
    assert len(expected) == N_SCENES, sorted(expected)
    for leaf, frames in expected.items():
        assert_scene(outcome.report, kind, leaf, frames)
    assert not outcome.report.lost(), outcome.report.brief()


@test(each=pythons.every)
def own_thread_tells_every_frame(python):
    outcome = watch.watched([*python.argv, PROGRAM, "sleep"])
    assert outcome.status == 0, outcome.text()
    assert_all(outcome, "blocking-call")


@test(each=pythons.every, alone=True)
def watchdog_tells_every_frame(python):
    outcome = watch.watched([*python.argv, PROGRAM, "spin"])
    assert outcome.status == 0, outcome.text()
    assert_all(outcome, "slow-callback")


runner.main(__name__, at_once=2)
