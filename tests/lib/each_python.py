# SPDX-License-Identifier: Apache-2.0
"""Runs one script under every interpreter there is, and adds up what they say.

    each_python.py SCRIPT [ARGUMENT…]

The script ends with a line `N passed, N failed, N skipped`. One that ends otherwise has failed.
"""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from lib import pythons  # noqa: E402

SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.M)
TIMEOUT_S = 300


def run(python, arguments):
    """(counts, output) of the script under one interpreter."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    try:
        result = subprocess.run(
            [*python.argv, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=env, timeout=TIMEOUT_S, errors="replace",
        )
    except subprocess.TimeoutExpired as expired:
        return (0, 1, 0), f"{expired.output}\nnot ended after {TIMEOUT_S} s"
    summaries = SUMMARY.findall(result.stdout)
    counts = tuple(int(n) for n in summaries[-1]) if summaries else (0, 0, 0)
    if result.returncode not in (0, 77) and not counts[1]:
        counts = (counts[0], 1, counts[2])
    return counts, f"{result.stdout}\nstatus {result.returncode}"


def main():
    sums = (0, 0, 0)
    for python in pythons.every():
        counts, output = run(python, sys.argv[1:])
        sums = tuple(a + b for a, b in zip(sums, counts))
        print(f"{'FAILED' if counts[1] else 'ok':7} {python}: {counts[0]} passed, "
              f"{counts[1]} failed, {counts[2]} skipped here", flush=True)
        if counts[1]:
            print("\n".join("        | " + line for line in output.splitlines()[-100:]), flush=True)
    if pythons.sid_reason():
        print(f"skip    Python 3.14 and 3.15: {pythons.sid_reason()}")
        sums = (sums[0], sums[1], sums[2] + 1)
    print(f"{sums[0]} passed, {sums[1]} failed, {sums[2]} skipped")
    return 1 if sums[1] else 0


sys.exit(main())
