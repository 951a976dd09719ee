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
import socket
import subprocess
import tempfile

from lib import paths, watch

COST = re.compile(r"^(?:[+\-*]?\d*|\*) (\d+)$")
NAME = re.compile(r"^\((\d+)\)(?: (.*))?$")
# Of a block in work.py's mode "count".
OPERATIONS = 2000
# The thread that runs the program; the watchdog is another.
FIRST_THREAD = "-01"
# Under valgrind a turn of a busy machine may pass a limit, and what is told of it would be counted.
NOTHING_IS_SLOW = "blocking-call=60s,slow-callback=60s,long-turn=60s"


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


def count(argv, is_watched, stdin=b""):
    """Runs it to its end under callgrind."""
    with tempfile.TemporaryDirectory(prefix="callgrind-") as folder, \
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as daemon:
        # A daemon that never says a word is enough for all that a program does for one.
        daemon.bind(f"{folder}/socket")
        daemon.listen(8)
        more = {"LD_PRELOAD": paths.SHIM, "LOOPHOUND_SOCKET": f"{folder}/socket",
                "LOOPHOUND_OPTIONS": NOTHING_IS_SLOW}
        more = more if is_watched else {}
        result = subprocess.run(
            ["valgrind", "--tool=callgrind", "--separate-threads=yes", "-q",
             f"--callgrind-out-file={folder}/out", *argv],
            input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300,
            env=watch.clean_env(**more),
        )
        assert result.returncode == 0, result.stderr.decode(errors="replace")[-3000:]
        found = glob.glob(f"{folder}/out{FIRST_THREAD}") or glob.glob(f"{folder}/out")
        with open(found[0]) as file:
            return Count(_parse(file))


WORK = os.path.join(os.path.dirname(os.path.realpath(__file__)), "work.py")
LIBRARY = os.path.join(paths.BUILD, "tests", "bench", "libbench-calls.so")


def per_operation(work, loop, python, blocks=2):
    """
    Instructions of the shim for one operation of a work: what so many more blocks of it cost. So
    the start of the program and of the watch is not in it, but that of a loop is, once a block.
    """
    argv = [*python.argv, WORK, work, loop, "count", "-1", LIBRARY]
    few, many = (count(argv, True, b"\n" * n) for n in (1, 1 + blocks))
    operations = blocks * OPERATIONS
    return (many.shim - few.shim) / operations
