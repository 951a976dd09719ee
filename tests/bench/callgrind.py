# SPDX-License-Identifier: Apache-2.0
"""Callgrind: how many instructions a program's first thread runs, in all and inside the shim.

Counted under valgrind, so the same number comes out on the busiest machine. The format:
https://valgrind.org/docs/manual/cl-format.html; what matters here: `ob=` says which object the
following cost lines belong to, a line that begins with a number, + , - or * is a cost, and the cost
line behind a `calls=` is what the callee cost, which stands at the callee as well.
"""
import collections
import glob
import os
import re
import shutil
import subprocess
import tempfile

from lib import paths, watch

COST = re.compile(r"^(?:[+\-*]?\d*|\*) (\d+)$")
NAME = re.compile(r"^\((\d+)\)(?: (.*))?$")
# The thread that runs the program; the watchdog is another.
FIRST_THREAD = "-01"


def is_there():
    return shutil.which("valgrind") is not None


def _parse(lines):
    """{object: instructions of its own}"""
    names, costs = {}, collections.Counter()
    current, is_callee = "?", False
    for line in lines:
        if line.startswith("ob="):
            number, name = NAME.match(line[3:].strip()).groups()
            if name:
                names[number] = name
            current = names[number]
        elif line.startswith("cob="):
            number, name = NAME.match(line[4:].strip()).groups()
            if name:
                names[number] = name
        elif line.startswith("calls="):
            is_callee = True
        else:
            cost = COST.match(line.rstrip())
            if cost and not is_callee:
                costs[current] += int(cost[1])
            if cost:
                is_callee = False
    return costs


class Count:
    def __init__(self, costs):
        self.total = sum(costs.values())
        self.shim = sum(n for name, n in costs.items() if "libloophound" in name)


def count(argv, is_watched, stdin=b"", env=None):
    """Runs it to its end under callgrind."""
    with tempfile.TemporaryDirectory(prefix="callgrind-") as folder:
        more = {"LD_PRELOAD": paths.SHIM, "LOOPHOUND_DIR": folder} if is_watched else {}
        result = subprocess.run(
            ["valgrind", "--tool=callgrind", "--separate-threads=yes", "-q",
             f"--callgrind-out-file={folder}/out", *argv],
            input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300,
            env=watch.clean_env(**more, **(env or {})),
        )
        assert result.returncode == 0, result.stderr.decode(errors="replace")[-3000:]
        found = glob.glob(f"{folder}/out{FIRST_THREAD}") or glob.glob(f"{folder}/out")
        with open(found[0]) as file:
            return Count(_parse(file))


def per_operation(work, loop, python, blocks=3):
    """Instructions of the shim for one operation of a work: what more blocks of it cost more."""
    argv = [*python.argv, os.path.join(os.path.dirname(os.path.realpath(__file__)), "work.py"),
            work, loop, "plain", "-1", os.path.join(paths.BUILD, "tests/bench/libbench-calls.so")]
    few = count(argv, True, b"\n")
    many = count(argv, True, b"\n" * (1 + blocks))
    return few, many
