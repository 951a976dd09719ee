#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What watching costs beside time: start-up, memory, wake-ups, and how late a stall is told."""
import os
import re
import subprocess
import time

from setup import BUDGETS, HERE

from lib import paths, pythons, runner, watch
from lib.runner import test

from stats import Spread, percentile_spread

BUDGET = BUDGETS["footprint"]
PROGRAMS = os.path.join(HERE, "programs.py")
PAIRS = 50
STALLS, LIMIT_MS, STALL_MS = 200, 50, 75
BUSY_S, IDLE_S = 3, 3


def argv(*words):
    return [*pythons.debian().argv, PROGRAMS, *map(str, words)]


def watched(command, *options):
    return [paths.LOOPHOUND, "run", *options, "--", *command]


class Going:
    """A program of programs.py that has got going, and its process."""

    def __init__(self, what, is_watched):
        command = argv(what)
        self.process = subprocess.Popen(
            watched(command, "--quiet") if is_watched else command,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=watch.clean_env(),
        )
        assert self.process.stdout.readline() == b"going\n"
        self.pid = self._python(self.process.pid)

    @staticmethod
    def _python(pid):
        """The process itself, or the child of `loophound run` that runs the program."""
        below = []
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                below += file.read().split()
        for each in [pid, *map(int, below)]:
            with open(f"/proc/{each}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            if words[0] != paths.LOOPHOUND.encode() and PROGRAMS.encode() in words:
                return each
        raise AssertionError(f"no python under {pid}: {below}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(30) == 0

    def tasks(self):
        """{thread id: name}"""
        found = {}
        for tid in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{tid}/comm") as file:
                found[int(tid)] = file.read().strip()
        return found

    def switches(self, tid):
        with open(f"/proc/{self.pid}/task/{tid}/status") as file:
            return sum(int(n) for n in re.findall(r"ctxt_switches:\s*(\d+)", file.read()))

    def resident_kib(self):
        """(all, of the region), as /proc/PID/smaps has it."""
        every, region, is_region = 0, 0, False
        with open(f"/proc/{self.pid}/smaps") as file:
            for line in file:
                if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                    is_region = "memfd:loophound" in line
                elif line.startswith("Rss:"):
                    kib = int(line.split()[1])
                    every += kib
                    region += kib if is_region else 0
        return every, region


@test(timeout=300)
def start_up():
    command = [*pythons.debian().argv, "-c", "pass"]
    more_ms = []
    for i in range(PAIRS):
        spans = {}
        # Neither is always the first.
        for is_watched in (False, True) if i % 2 else (True, False):
            env = watch.clean_env(LD_PRELOAD=paths.SHIM if is_watched else None)
            started = time.perf_counter()
            subprocess.run(command, env=env, check=True)
            spans[is_watched] = time.perf_counter() - started
        more_ms.append((spans[True] - spans[False]) * 1000)
    spread = Spread(more_ms)
    line = f"start-up: {spread.text(2)} ms later, {PAIRS} pairs, budget {BUDGET['start_ms']} ms"
    runner.note(line)
    assert not spread.is_above(BUDGET["start_ms"]), line


@test(timeout=120)
def memory_and_threads():
    more, regions, names = [], [], []
    for _ in range(7):
        with Going("busy", False) as bare, Going("busy", True) as seen:
            threads = set(seen.tasks()) - {seen.pid}
            names.append(len(threads) - (len(bare.tasks()) - 1))
            every, region = seen.resident_kib()
            more.append(every - region - bare.resident_kib()[0])
            regions.append(region)
    spread, region = Spread(more), Spread(regions)
    line = (f"resident: {spread.text(0)} KiB beyond the region, budget {BUDGET['resident_kib']}; "
            f"the region {region.text(0)} KiB, budget {BUDGET['region_kib']}; threads {names[0]}")
    runner.note(line)
    assert not spread.is_above(BUDGET["resident_kib"]), line
    assert not region.is_above(BUDGET["region_kib"]), line
    assert set(names) == {BUDGET["threads"]}, names


def wakeups(what, settle_s, span_s):
    with Going(what, True) as program:
        (tid,) = [tid for tid, name in program.tasks().items() if name == "loophound"]
        time.sleep(settle_s)
        before, started = program.switches(tid), time.monotonic()
        time.sleep(span_s)
        return (program.switches(tid) - before) / (time.monotonic() - started)


@test
def wakeups_of_an_idle_loop():
    # It parks after eight quiet ticks and a grace: then there is nothing left to wait for.
    n = wakeups("idle", 1.5, IDLE_S)
    runner.note(f"wake-ups, idle: {n:.1f} a second, budget {BUDGET['wakeups_idle']}")
    assert n <= BUDGET["wakeups_idle"], n


@test
def wakeups_of_a_busy_loop():
    n = wakeups("busy", 0.2, BUSY_S)
    runner.note(f"wake-ups, busy: {n:.1f} a second, budget {BUDGET['wakeups_busy']}")
    assert n <= BUDGET["wakeups_busy"], n


@test(timeout=240)
def a_stall_is_told_while_it_lasts():
    command = watched(
        argv("stalls", STALLS, STALL_MS), f"--slow-callback={LIMIT_MS}ms", "--long-turn=10s")
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=watch.clean_env(),
    )
    told = {}
    for line in process.stderr:
        found = re.search(rb"loop held at \S+ stall_(\d+)", line)
        if found:
            told.setdefault(int(found[1]), time.monotonic_ns())
    begun = [int(word) for word in process.stdout.read().split()]
    process.stdout.close()
    process.stderr.close()
    assert process.wait() == 0
    late_ms = [(told[i] - at) / 1e6 - LIMIT_MS for i, at in enumerate(begun) if i in told]
    # One that the kernel kept from the CPU meanwhile is told by its end alone.
    assert len(begun) == STALLS and len(late_ms) >= STALLS * 0.9, (len(begun), len(late_ms))
    spread = percentile_spread(late_ms, 99)
    line = (f"stall told {spread.text(1)} ms past its limit (p99 of {len(late_ms)}; median "
            f"{Spread(late_ms).text(1)}), budget {BUDGET['stall_ms']} ms")
    runner.note(line)
    assert not spread.is_above(BUDGET["stall_ms"]), line


runner.main(__name__)
