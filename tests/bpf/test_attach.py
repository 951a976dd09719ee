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
    # It computes for 300 ms; from the kernel a duration is known to 1 ms.
    assert 299e6 <= found["max_ns"], found
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


@test
def lag_is_not_said_to_be_none():
    """It is not measured from outside, so a gate on it is broken."""
    attached.need()
    _, told = attached.attached(pythons.debian(), attached.program("sleeps.py"),
                                options=["--fail-on", "lag-p99>9s", "--fail-on", "turn-max>9s"])
    assert b"lag p99 not measured" in told.stderr and told.status == 3, told.text()
    assert [gate["ok"] for gate in told.report.raw["gates"]] == [False, True], told.text()


# While nothing lasts only the kernel's own tick looks at what runs, which comes every 10 ms, or more often.
TICK_NS = 10e6


@test(each=["asyncio", "uvloop"])
def what_runs_between_two_calls_is_not_told_to_hold_the_loop(loop):
    """The callback is slow for its calls, each of which is told itself."""
    attached.need()
    python = pythons.debian()
    runner.need_package("python3-uvloop", loop == "asyncio" or python.has("uvloop"))
    path = attached.program("row.py")
    _, told = attached.attached(python, path, *([loop] if loop == "uvloop" else []))
    told.report.assert_counts(path)
    assert b"loop held at" not in told.stderr, told.text()


@test(each=["first", "second", "second-after-long"])
def first_work_after_a_calm_is_seen(place):
    attached.need()
    path = attached.program("calm.py")
    seen, told = attached.attached(pythons.debian(), path, place)
    told.report.assert_counts(path)
    found = told.report.one("slow-callback")
    error_ns = abs(found["max_ns"] - int(seen.stdout))
    runner.note(f"{error_ns / 1e6:.2f} ms off")
    # Between two looks, a tick apart, the thread may have waited for a CPU as well.
    is_rare = place == "second-after-long"
    bar_ns = TICK_NS + found["cause"]["run_queue_ns"] if is_rare else MILLISECOND
    assert error_ns < bar_ns, (found, seen.stdout)


runner.main(__name__)
