# SPDX-License-Identifier: Apache-2.0
"""run.py under every CPython that can be found; the sum of what they say is the last line."""
import os
import re
import subprocess
import sys

import setup  # noqa: F401
from lib import paths, pythons

HERE = os.path.dirname(os.path.realpath(__file__))
PROBE = os.path.join(paths.BUILD, "tests", "pyframe", "pyframe-probe.so")
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")
TIMEOUT_S = 120


def checks(python):
    """What run.py says there: lines, and the three counts."""
    try:
        result = subprocess.run(
            [*python.argv, os.path.join(HERE, "run.py"), PROBE], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return [f"FAILED not ended after {TIMEOUT_S} s"], [0, 1, 0]
    lines = result.stdout.decode(errors="replace").splitlines()
    summary = SUMMARY.match(lines[-1]) if lines else None
    if not summary or result.returncode < 0:
        return lines + [f"FAILED ended with status {result.returncode}"], [0, 1, 0]
    return lines[:-1], [int(n) for n in summary.groups()]


def main():
    total = [0, 0, 0]
    wanted = sys.argv[1:]
    for python in pythons.every():
        if wanted and not any(word in python.label for word in wanted):
            continue
        lines, counts = checks(python)
        for line in lines:
            verdict, _, rest = line.partition(" ")
            print(f"{verdict} {python.label} {rest}")
        print(f"{python.label}: {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped")
        total = [a + b for a, b in zip(total, counts)]
    if pythons.sid_reason():
        print(f"skip 3.14 and 3.15: {pythons.sid_reason()}")
        total[2] += 1
    print("%d passed, %d failed, %d skipped" % tuple(total))
    return 1 if total[1] else 0 if total[0] else 77


if __name__ == "__main__":
    sys.exit(main())
