#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""table: the table of docs/PERFORMANCE.md, measured here and now, as Markdown on stdout.

    python3 tests/bench/table.py [ROUNDS]         every work, mode and loop, on Debian's Python
    python3 tests/bench/table.py [ROUNDS] NAME…   some works, or "http", or "pythons"

With 8 rounds it takes a quarter of an hour. A line is printed when it has been measured.
"""
import sys

import setup  # noqa: F401
import http_load
import pair
from lib import pythons

WORKS = {
    "switch": "asyncio uvloop", "soon": "asyncio uvloop", "tasks": "asyncio uvloop",
    "storm": "asyncio uvloop", "timers": "asyncio uvloop", "echo1": "asyncio uvloop",
    "echo100": "asyncio uvloop", "threads8": "asyncio", "files": "-", "numbers": "-",
}
MODES = ["thread", "preloaded", "strict", "native", "bpf", "debug", "patch", "profile"]
# What others do is shown where it tells most: debug mode takes fifty times as long for some.
OTHERS = ["bpf", "debug", "patch", "profile"]
WORKS_OF_OTHERS = ["switch", "storm", "echo1"]
# A program without a loop has no debug mode and no handles.
MODES_WITHOUT_LOOP = ["preloaded", "strict", "native"]
PYTHONS_WORKS = [("switch", "asyncio"), ("storm", "asyncio"), ("echo1", "asyncio")]


def line(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def head(first):
    line(first, "loop", "ns bare", "control", *MODES)
    line(*["---"] * (4 + len(MODES)))


def row(python, first, work, loop, rounds):
    modes = pair.modes_there_are(MODES if loop != "-" else MODES_WITHOUT_LOOP)
    if work not in WORKS_OF_OTHERS:
        modes = [mode for mode in modes if mode not in OTHERS]
    if loop == "uvloop":
        # uvloop makes no asyncio handles.
        modes = [mode for mode in modes if mode != "patch"]
    comparison = pair.Comparison(
        python.argv, work, "asyncio" if loop == "-" else loop, modes)
    comparison.add_rounds(rounds)
    line(first, loop, f"{comparison.ns('unwatched'):.0f}", *[
        comparison.ratio(mode).text(3) if mode in ["control", *modes] else "–"
        for mode in ["control", *MODES]
    ])


def main():
    words = sys.argv[1:]
    rounds = int(words.pop(0)) if words and words[0].isdigit() else 8
    wanted = words or [*WORKS, "pythons", "http"]
    debian = pythons.debian()
    if set(wanted) & set(WORKS):
        head(f"work, Python {debian.version}")
    for work in WORKS:
        for loop in WORKS[work].split():
            if work in wanted and (loop != "uvloop" or debian.has("uvloop")):
                row(debian, work, work, loop, rounds)
    if "pythons" in wanted:
        print()
        head("work, Python")
        for python in [pythons.host()[0], *pythons.sid()[-1:]]:
            for work, loop in PYTHONS_WORKS:
                row(python, f"{work}, {python.version}", work, loop, rounds)
            if python.has("uvloop"):
                row(python, f"switch, {python.version}", "switch", "uvloop", rounds)
    if "http" in wanted:
        print()
        http_load.table(rounds, line)


main()
