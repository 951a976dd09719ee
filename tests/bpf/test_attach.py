# SPDX-License-Identifier: Apache-2.0
"""Attach from outside: the same findings as the shim's, with nothing put into the process."""
import setup  # noqa: F401

import attached
from lib import paths, pythons, runner
from lib.report import mark_line
from lib.runner import test

MILLISECOND = 1e6


@test(each=pythons.every)
def blocking_calls_have_their_line_and_size(python):
    attached.need()
    path = attached.program("sleeps.py")
    seen, told = attached.attached(python, path)
    told.report.assert_counts(path)
    found = told.report.one("blocking-call")
    total, longest = (int(word) for word in seen.stdout.split())
    assert abs(found["total_ns"] - total) < found["count"] * MILLISECOND, (found, total)
    assert abs(found["max_ns"] - longest) < MILLISECOND, (found, longest)
    assert found["call"]["name"] in ("select", "clock_nanosleep"), found["call"]
    assert not told.report.lost(), told.report.lost()
    assert told.report.processes[0]["via"] == "bpf"


@test(each=pythons.every)
def one_line_reached_two_ways_is_one_finding_with_two_stacks(python):
    attached.need()
    path = paths.program("two_ways.py")
    _, told = attached.attached(python, path, "asyncio")
    told.report.assert_counts(path)
    found = told.report.one("blocking-call")
    assert sorted(stack["count"] for stack in found["stacks"]) == [5, 7], told.report.brief()


@test(each=pythons.every)
def one_long_callback_is_one_slow_callback(python):
    attached.need()
    path = paths.program("one_slow.py")
    _, told = attached.attached(python, path, "asyncio")
    told.report.assert_counts(path)
    found = told.report.one("slow-callback")
    assert 300e6 <= found["max_ns"], found
    # The program burns 0.3 s of its thread's own CPU time.
    assert abs(found["cause"]["on_cpu_ns"] - 300e6) < 300e6 / 20, found["cause"]


@test(each=pythons.every)
def fifteen_short_callbacks_are_one_long_turn(python):
    attached.need()
    path = paths.program("fifteen.py")
    _, told = attached.attached(python, path, "asyncio")
    found = told.report.one("long-turn", path, mark_line(path, "long-turn"))
    assert found["count"] == 1 and len(told.report.findings) == 1, told.report.brief()
    assert abs(found["cause"]["on_cpu_ns"] - 300e6) < 300e6 / 20, found["cause"]


runner.main(__name__)
