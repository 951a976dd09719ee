# SPDX-License-Identifier: Apache-2.0
"""Collections of garbage and waits for the GIL: on the time line, in the cause, and unseen by the program."""
import setup  # noqa: F401
import os
import re
import tempfile

from lib import formats, paths, pythons, runner, watch
from lib.report import Report
from lib.runner import test

PAUSES = paths.program("pauses.py")
HIDDEN = os.path.join(paths.TREE, "tests", "shim", "guests", "attack_collections.py")


def without_addresses(content):
    return re.sub(rb"0x[0-9a-f]+", b"0x", content)


def paused(python, what, options=()):
    """(what the program measured, in s; the events of that category; the report)"""
    folder = tempfile.mkdtemp(prefix="pauses-")
    line, report = os.path.join(folder, "r.trace.json"), os.path.join(folder, "r.json")
    outcome = watch.run([paths.LOOPHOUND, "run", "--quiet", "--report", line, "--report", report, *options,
                         "--", *python.argv, PAUSES, what])
    assert outcome.status == 0, outcome.text()
    words = [words.split() for words in outcome.stdout.decode().splitlines()]
    content = formats.trace(line)
    category, = {word for word, _ in words}
    events = [event for event in content["traceEvents"] if event.get("cat") == category]
    loops = {(event["pid"], event["tid"]) for event in content["traceEvents"] if event["name"] == "thread_name"}
    assert {(event["pid"], event["tid"]) for event in events} == loops and len(loops) == 1, loops
    return [float(seconds) for _, seconds in words], events, Report.load(report)


@test(each=pythons.every)
def collections(python):
    """Each is there with the time that the program measured, and is a part of the callback's cause."""
    measured, events, report = paused(python, "collect")
    # One more is before the others, of what was made: another turn.
    turns = [event["ts"] for event in events]
    assert len(events) == len(measured) + 1, events
    assert turns == sorted(turns)
    off = [seconds * 1e6 - event["dur"] for seconds, event in zip(measured, events[1:])]
    # The program looks at its clock a little later, and where it loses its CPU in between, much later.
    assert min(off) > -1 and sorted(off)[len(off) // 2] < 200, (measured, events)
    assert {event["args"]["generation"] for event in events} == {2}, events
    if sum(measured) > 0.15:
        found = [finding for finding in report.of("slow-callback") if finding["cause"]["gc_ns"]]
        cause = found[0]["cause"]
        # What it waited for a CPU meanwhile is a part of its own.
        assert cause["gc_ns"] + cause["run_queue_ns"] > sum(measured) * 0.9e9, (measured, found)
        assert sum(part for part in cause.values() if part is not None) == found[0]["total_ns"], cause
        is_most = cause["gc_ns"] * 2 > found[0]["total_ns"]
        assert found[0]["message"].endswith("mostly collecting garbage") == is_most, found[0]["message"]


@test(each=pythons.every)
def the_program_sees_nothing_of_it(python):
    """That it was on is said by the report; the program asks gc all that can be asked."""
    outcome = watch.both([*python.argv, HIDDEN], normal=without_addresses)
    assert outcome.status == 0, outcome.text()
    assert "collections" in outcome.report.processes[0]["detectors"], outcome.report.processes
    assert not outcome.report.lost(), outcome.report.lost()


@test(each=pythons.every)
def waits_for_the_gil(python):
    """Each is a moment, and together they are what the program was late."""
    late, events, report = paused(python, "compete", ["--no-detect", "long-turn"])
    waits = [event["dur"] / 1e6 for event in events if event["dur"] > 40_000]
    assert len(waits) >= len([seconds for seconds in late if seconds > 0.04]) > 0, (late, events)
    # Starting the thread is one or two more, before the others.
    assert 0.8 * sum(late) < sum(waits) < sum(late) + 0.15, (late, waits)
    assert not report.findings, report.findings


@test
def a_recording_has_them_too():
    folder = tempfile.mkdtemp(prefix="pauses-")
    outcome = watch.run([paths.LOOPHOUND, "run", "--quiet", "--report", "r.lhr", "--report", "r.trace.json",
                         "--", *pythons.debian().argv, PAUSES, "collect"], cwd=folder)
    assert outcome.status == 0, outcome.text()
    again = watch.run([paths.LOOPHOUND, "report", "--quiet", "--report", "again.trace.json", "r.lhr"], cwd=folder)
    assert again.status == 0, again.text()
    both = [formats.trace(os.path.join(folder, name))["traceEvents"] for name in ("r.trace.json", "again.trace.json")]
    spans = [[(event["name"], round(event["dur"] / 100)) for event in events if event["ph"] == "X"] for events in both]
    assert [name for name, _ in spans[0]].count("gc") == 8, spans
    assert spans[0] == spans[1], spans


runner.main(__name__)
