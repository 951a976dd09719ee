# SPDX-License-Identifier: Apache-2.0
"""A long run in which nothing is wrong: no finding, no memory that grows, no object kept."""
import setup  # noqa: F401
import os

from lib import pythons, runner, watch
from lib.runner import test

SOAK = os.path.join(os.path.dirname(os.path.realpath(__file__)), "soak.py")
LONG = os.environ.get("LOOPHOUND_TEST_LONG") == "1"
N_TASKS = 1_000_000 if LONG else 20_000 if runner.quick() else 50_000
N_TASKS_STRICT = 1_000_000 if LONG else 20_000
GROWTH_MAX_KIB = 2048
# In strict mode the coroutines that live know who made them: two tuples each.
STRICT_MAX_OBJECTS = 8
PATIENT = [f"--{limit}=20s" for limit in ("blocking-call", "slow-callback", "long-turn", "stuck")]


def cases():
    found = [(python, "asyncio") for python in pythons.every()]
    return found + [(python, "uvloop") for python in pythons.every() if python.has("uvloop")]


def label(case):
    return f"{case[0]}-{case[1]}"


def compare(case, n_tasks, options, max_objects):
    python, loop = case
    argv = [*python.argv, SOAK, loop, str(n_tasks)]
    bare = watch.unwatched(argv, timeout=800)
    seen = watch.watched(argv, PATIENT + options, timeout=800)
    assert bare.status == seen.status == 0, seen.text()
    seen.report.assert_silent()
    bare_kib, bare_objects = map(int, bare.stdout.split())
    kib, objects = map(int, seen.stdout.split())
    runner.note(f"{n_tasks} tasks: grew by {kib} KiB, unwatched {bare_kib}; {objects} objects")
    assert 0 <= objects - bare_objects <= max_objects, f"{objects} objects, unwatched {bare_objects}"
    assert kib - bare_kib < GROWTH_MAX_KIB, f"grew by {kib} KiB, unwatched {bare_kib}"


@test(each=cases, label=label, timeout=1800)
def nothing_is_found_and_nothing_stays(case):
    compare(case, N_TASKS, [], 0)


@test(each=cases, label=label, timeout=1800)
def nor_in_strict_mode(case):
    # Its own look at /proc/self/statm can block.
    compare(case, N_TASKS_STRICT, ["--strict", "--no-detect=blocking-call"], STRICT_MAX_OBJECTS)


runner.main(__name__)
