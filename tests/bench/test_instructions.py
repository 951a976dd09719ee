#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What watching costs in instructions, which noise does not change: budgets [[instructions]]."""
import os

from setup import BUDGETS, HERE

import callgrind
import counter
from lib import paths, pythons, runner, watch
from lib.runner import need_package, skip, test
from stats import Spread

PAIRS = 9
COUNTS = 3
PROGRAMS = os.path.join(HERE, "programs.py")


def label(budget):
    return f"{budget['work']}-{budget.get('loop', 'asyncio')}"


def least_count(budget, loop, python):
    """Each tick of the watchdog adds a little to a turn, and the slower the machine is under
    valgrind the more ticks a run has. So a count over the budget is taken again, up to twice."""
    counts = []
    while len(counts) < COUNTS and (not counts or counts[-1] > budget["at_most"]):
        counts.append(callgrind.per_operation(budget["work"], loop, python))
    return min(counts)


@test(each=BUDGETS["instructions"], label=label, timeout=300)
def instructions(budget):
    """Of the shim alone, for one operation: the same for every interpreter, but for its pairs."""
    need_package("valgrind", callgrind.is_there())
    python, loop = pythons.debian(), budget.get("loop", "asyncio")
    if loop == "uvloop":
        need_package("python3-uvloop", python.has("uvloop"))
    n = least_count(budget, loop, python)
    line = (f"{label(budget)}: {n:.1f} instructions an operation, budget {budget['at_most']}, "
            f"Python {python.version} (budget taken with {budget['python']}, {budget['compiler']})")
    runner.note(line)
    assert n <= budget["at_most"], line
    # One that fell by a third is a budget that no longer watches over anything.
    assert n >= budget["at_most"] * 0.6, f"the budget is out of date: {line}"


@test(timeout=300)
def a_program_without_a_loop():
    """By the processor's own counter: under valgrind a copy of a block costs by its address."""
    if not counter.is_there():
        skip("this kernel lets nobody count instructions")
    command = [*pythons.debian().argv, PROGRAMS, "plain"]
    ratios = []
    for _ in range(PAIRS):
        bare = counter.instructions(command, watch.clean_env())
        seen = counter.instructions(command, watch.clean_env(LD_PRELOAD=paths.SHIM))
        ratios.append(seen / bare)
    spread = Spread(ratios)
    budget = BUDGETS["plain"]["instructions_ratio"]
    line = (f"{bare / 1e6:.1f} million instructions bare, {spread.text(5)} times as many watched, "
            f"{PAIRS} pairs, budget {budget}")
    runner.note(line)
    assert not spread.is_above(budget), line


runner.main(__name__)
