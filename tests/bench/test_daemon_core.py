#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the daemon's core makes of many records from many processes: see ring-load.c."""
import os
import re
import subprocess

from setup import BUDGETS

from lib import paths, runner
from lib.runner import test

from stats import Spread

BUDGET = BUDGETS["daemon"]
LOAD = os.path.join(paths.BUILD, "tests", "bench", "ring-load")
RUNS = 6
SITES, PROCESSES = 10_000, 1_000


def said(what, pattern):
    result = subprocess.run([LOAD, what], stdout=subprocess.PIPE, check=True, text=True)
    return [int(number) for number in re.fullmatch(pattern, result.stdout).groups()]


@test(timeout=240)
def records_a_second():
    speeds = Spread(
        said("speed", r"(\d+) records a second, \d+ records\n")[0] for _ in range(RUNS))
    budget = BUDGET["records_a_second"]
    line = f"{speeds.text(0)} records a second of CPU time, at least {budget}"
    runner.note(line)
    assert speeds.high >= budget, line


@test(timeout=240)
def memory_of_many_sites_and_processes():
    kib, sites, counted, lost = said(
        "memory", r"(\d+) KiB, (\d+) sites, (\d+) counted, (\d+) lost\n")
    line = (f"{kib / 1024:.1f} MiB for {sites} sites of {PROCESSES} processes, "
            f"budget {BUDGET['memory_mib']} MiB")
    runner.note(line)
    assert (sites, counted, lost) == (SITES, SITES * PROCESSES, 0), (sites, counted, lost)
    assert kib <= BUDGET["memory_mib"] * 1024, line


runner.main(__name__)
