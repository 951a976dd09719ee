# SPDX-License-Identifier: Apache-2.0
"""Every hooked symbol gives what it gives unwatched, in every frame it can be called from."""
import setup  # noqa: F401
import os
import tempfile

from lib import paths, pythons, runner, watch
from lib.runner import test

HERE = os.path.join(paths.BUILD, "tests", "shim")
LIBRARY = os.path.join(HERE, "libsnippets.so")
PROGRAM = os.path.join(HERE, "snippets")
FRAMES = ["plain", "signal", "fork", "vfork"]
# 1 us: the slow path of every call is walked.
OPTIONS = "blocking-call=1us,slow-callback=1us,long-turn=1us"


def preloaded(argv, order=(paths.SHIM,), **more):
    more.setdefault("LOOPHOUND_DIR", tempfile.mkdtemp())
    more["LD_PRELOAD"] = " ".join(order)
    return watch.run(argv, env=more)


def assert_alike(argv):
    bare = watch.run(argv)
    assert bare.status == 0 and bare.stdout, bare.text()
    for options in ("", OPTIONS, "strict"):
        watch.assert_same(bare, preloaded(argv, LOOPHOUND_OPTIONS=options))


def symbols():
    """Those of hooks.def."""
    with open(os.path.join(paths.TREE, "shim", "hooks.def"), encoding="utf-8") as file:
        for line in file:
            if line.startswith("HOOK("):
                yield line.split(",")[1].strip()


@test
def every_hooked_symbol_has_a_snippet():
    tried = {line.split()[0].split(b".")[0].decode()
             for line in watch.run([PROGRAM, "plain"]).stdout.splitlines()}
    # Every child of the snippets ends by _exit; _Exit is the same function in glibc.
    assert set(symbols()) - tried == {"_exit", "_Exit"}, set(symbols()) - tried


@test(each=FRAMES)
def a_program_without_python(frame):
    assert_alike([PROGRAM, frame])


@test(each=["before", "after"])
def another_library_s_constructor(when):
    """It makes hooked calls before the shim's own constructor has run, or after it."""
    argv = [*pythons.debian().argv, "-c", "pass"]
    order = {"before": [paths.SHIM, LIBRARY], "after": [LIBRARY, paths.SHIM]}[when]
    bare = watch.run(argv, env={"LD_PRELOAD": LIBRARY, "SNIPPETS_AT_START": "1"})
    assert bare.status == 0 and bare.stdout, bare.text()
    watch.assert_same(bare, preloaded(argv, order, SNIPPETS_AT_START="1"))


def cells():
    for python in pythons.every():
        if python.origin == "sid":
            continue
        for frame in FRAMES:
            yield python, frame, "asyncio"
    for frame in FRAMES:
        yield pythons.debian(), frame, "uvloop"
        yield pythons.debian(), frame, "none"


@test(each=lambda: list(cells()), label=lambda cell: f"{cell[1]}-{cell[2]}-{cell[0]}")
def a_call_from_python(cell):
    python, frame, loop = cell
    if loop == "uvloop":
        runner.need_package("python3-uvloop", python.has("uvloop"))
    assert_alike([*python.argv, os.path.join(paths.TREE, "tests", "shim", "frames.py"), LIBRARY,
                  frame, loop])


runner.main(__name__)
