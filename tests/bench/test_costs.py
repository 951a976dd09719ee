#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What watching costs in time: each budget of [[ratio]] and [[more_ns]], with its A/A control."""
from setup import BUDGETS, is_long

import fitness
import http_load
import pair
from lib import pythons, runner
from lib.runner import need_package, skip, test

# A round takes a quarter of a second to two. More are made while noise leaves the verdict open.
ROUNDS = 12
MAX_ROUNDS = 48


def chosen(table):
    """The budgets of this run, the gate's first."""
    return [each for each in BUDGETS[table] if is_long() or not each.get("long")]


def label(budget):
    return "-".join([
        budget["work"], budget.get("loop", "asyncio"), budget["mode"],
        budget.get("python", "debian"),
    ])


def interpreter(budget):
    which = budget.get("python", "debian")
    every = {"debian": [pythons.debian()], "oldest": pythons.host()[:1],
             "newest": pythons.sid()[-1:]}[which]
    if not every:
        skip(f"there is no {which} Python: {pythons.sid_reason()}")
    return every[0]


def measure(budget, figure):
    """Rounds until the interval is clear of the budget, or is known to hold it."""
    python = interpreter(budget)
    loop, mode = budget.get("loop", "asyncio"), budget["mode"]
    base = budget.get("base", "unwatched")
    if loop == "uvloop":
        need_package("python3-uvloop", python.has("uvloop"))
    if not pair.modes_there_are([mode]):
        skip(f"this loophound has no --{mode}")
    modes = [mode] if base == "unwatched" else [base, mode]
    comparison = pair.Comparison(python.argv, budget["work"], loop, modes)
    while True:
        comparison.add_rounds(ROUNDS)
        spread = getattr(comparison, figure)(mode, base)
        if (spread.median <= fitness.at_most(budget) or len(comparison.rounds) >= MAX_ROUNDS
                or fitness.complaint()):
            return comparison, spread


def judge(is_broken, line):
    """A budget that does not hold is a failure where the machine can be judged by it."""
    runner.note(line)
    if is_broken and fitness.complaint():
        skip(f"measured, not judged: {line}: {fitness.complaint()}")
    assert not is_broken, line


def verdict(budget, figure, digits):
    comparison, spread = measure(budget, figure)
    control = getattr(comparison, figure)("control")
    line = (f"{label(budget)}: {spread.text(digits)}, control {control.text(digits)}, "
            f"budget {fitness.at_most(budget)}, {comparison.ns('unwatched'):.1f} ns unwatched, "
            f"{spread.n} rounds")
    judge(spread.is_above(fitness.at_most(budget)), line)


@test(each=chosen("ratio"), label=label, timeout=600)
def time_ratio(budget):
    verdict(budget, "ratio", 4)


@test(each=chosen("more_ns"), label=label, timeout=600)
def added_ns(budget):
    verdict(budget, "more_ns", 1)


@test(each=BUDGETS["http"] if is_long() else [], label=lambda budget: budget["server"],
      timeout=1200)
def time_of_a_request(budget):
    rounds = http_load.compare(budget["server"], ROUNDS)
    cpu = http_load.ratios(rounds, "preloaded", http_load.CPU)
    late = http_load.ratios(rounds, "preloaded", http_load.LATENCY)
    control = http_load.ratios(rounds, "control", http_load.LATENCY)
    line = (f"{budget['server']}: CPU time {cpu.text()}, budget {fitness.at_most(budget)}; "
            f"p99 {late.text()}, control {control.text()}")
    judge(cpu.is_above(fitness.at_most(budget)) or
          late.is_above(max(control.high, 1) * budget["p99_at_most"]), line)


runner.main(__name__)
