# SPDX-License-Identifier: Apache-2.0
"""A long run in which nothing is wrong: no finding, no memory that grows, no object kept."""
import setup  # noqa: F401
import os

from lib import pythons, runner, watch
from lib.runner import test

SOAK = os.path.join(os.path.dirname(os.path.realpath(__file__)), "soak.py")
LONG = os.environ.get("LOOPHOUND_TEST_LONG") == "1"
N_TASKS = 1_000_000 if LONG else 20_000 if runner.quick() else 50_000
GROWTH_MAX_KIB = 2048
PATIENT = [f"--{limit}=20s" for limit in ("blocking-call", "slow-callback", "long-turn", "stuck")]


def cases():
    found = [(python, "asyncio") for python in pythons.every()]
    return found + [(python, "uvloop") for python in pythons.every() if python.has("uvloop")]


def label(case):
    return f"{case[0]}-{case[1]}"


@test(each=cases, label=label, timeout=1800)
def nothing_is_found_and_nothing_stays(case):
    python, loop = case
    argv = [*python.argv, SOAK, loop, str(N_TASKS)]
    bare = watch.unwatched(argv, timeout=800)
    seen = watch.watched(argv, PATIENT, timeout=800)
    assert bare.status == seen.status == 0, seen.text()
    seen.report.assert_silent()
    bare_kib, bare_objects = map(int, bare.stdout.split())
    kib, objects = map(int, seen.stdout.split())
    runner.note(f"{N_TASKS} tasks: grew by {kib} KiB, unwatched {bare_kib}; {objects} objects")
    assert objects == bare_objects, f"{objects} objects, unwatched {bare_objects}"
    assert kib - bare_kib < GROWTH_MAX_KIB, f"grew by {kib} KiB, unwatched {bare_kib}"


runner.main(__name__)
