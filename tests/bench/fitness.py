# SPDX-License-Identifier: Apache-2.0
"""Fitness: whether times taken on this machine can be held to the budgets, and to which.

The budgets are those of machines on which a system call that does nothing takes some 100 ns. There
are hosts on which it takes 1 us, with the same kernel. It is as if what the processor had learnt of
branches were forgotten at each entry, so that whatever runs after a system call, a hook as well as
the program, is guessed wrong at first. What is measured there is that machine's penalty. So time is
measured there and told, but not judged; instructions, memory, wake-ups and delays are judged on any
machine.

The same instructions take an Intel Xeon up to twice as long as an AMD EPYC of the same clock, so a
budget may name a figure of its own for it: docs/PERFORMANCE.md has both.
"""
import ctypes
import functools
import glob
import os

import pair

# The least of some runs: what another program took from one is no trait of the machine.
RUNS = 7
CALLS = 20000
# Nothing read from /dev/null: 85 ns on a machine of the first kind, 1039 on one of the other.
MAX_CALL_NS = 300
VULNERABILITIES = "/sys/devices/system/cpu/vulnerabilities/*"
CLOCK = "/sys/devices/system/clocksource/clocksource0/current_clocksource"


@functools.lru_cache(maxsize=None)
def call_ns():
    """What a system call that does nothing takes here, unwatched."""
    read_nothing = ctypes.CDLL(pair.LIBRARY).read_nothing
    read_nothing.restype = ctypes.c_double
    return min(read_nothing(-1, CALLS) for _ in range(RUNS))


def _read(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return "?"


def mitigations():
    """What this kernel says it does against speculation, and where its time comes from."""
    told = [
        f"{os.path.basename(path)}: {_read(path)}" for path in sorted(glob.glob(VULNERABILITIES))
    ]
    return "; ".join(
        each for each in told if not each.endswith("Not affected")
    ) + f"; clock source: {_read(CLOCK)}"


def complaint():
    """Why this machine cannot be judged, or None."""
    if call_ns() <= MAX_CALL_NS:
        return None
    return (f"a system call that does nothing takes {call_ns():.0f} ns here, and the budgets are of "
            f"machines where it takes at most {MAX_CALL_NS} ({mitigations()})")


def _vendor():
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("vendor_id"):
            return line.split(":")[1].strip()
    return "?"


def at_most(budget):
    """What a budget allows on this processor."""
    return budget["at_most_intel" if _vendor() == "GenuineIntel" and "at_most_intel" in budget
                  else "at_most"]
