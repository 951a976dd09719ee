# SPDX-License-Identifier: Apache-2.0
"""A healthy aiohttp service at full load: no finding, no drop, nothing different to see."""
import setup  # noqa: F401
import signal

from lib import load, paths, pythons, runner, watch
from lib.runner import test
from lib.service import Service

SECONDS = 30
QUICK_SECONDS = 5


def cells():
    found = [(python, "asyncio") for python in pythons.having("aiohttp")]
    return found + [(python, "uvloop") for python in pythons.having("aiohttp") if python.has("uvloop")]


def cell_label(cell):
    return f"{cell[1]}-{cell[0]}"


def serve(python, loop, seconds, watch_it):
    port = load.free_port()
    argv = [*python.argv, paths.program("healthy_aiohttp.py"), str(port), loop]
    with Service(argv, port=port, watch_it=watch_it) as service:
        service.await_port()
        done, wrong = load.full_load(port, "/", seconds)
        outcome = service.end(signal.SIGINT)
    assert done > 1000 and not wrong, (done, wrong)
    print(f"{done / seconds:.0f} requests a second, watched: {watch_it}")
    return outcome


@test
def aiohttp_is_there():
    runner.need_package("python3-aiohttp", pythons.debian().has("aiohttp"))


@test(each=cells, label=cell_label, timeout=180)
def nothing_to_find_and_nothing_lost(cell):
    python, loop = cell
    # All of half a minute once; the other cells differ in how turns are seen, not in how long.
    first = cell[0].label == pythons.debian().label and loop == "asyncio"
    seconds = SECONDS if first and not runner.quick() else QUICK_SECONDS
    seen = serve(python, loop, seconds, True)
    bare = serve(python, loop, 1, False)
    watch.assert_same(bare, seen)
    assert seen.status == 5 and b"serving\nended\n" == seen.stdout, seen.text()
    seen.report.assert_silent()
    turns = sum(each["turns"] for each in seen.report.loops)
    assert turns > 1000, turns


runner.main(__name__)
