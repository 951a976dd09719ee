# SPDX-License-Identifier: Apache-2.0
"""Native frames of calls that waited: the right functions of the right modules, and all of them."""
import setup  # noqa: F401
import bisect
import functools
import os
import subprocess
import tempfile

from lib import lhr, paths, pythons, runner, watch
from lib.runner import test

HERE = os.path.join(paths.BUILD, "tests", "shim")
CHAINS = [os.path.join(HERE, f"chain-{n}.so") for n in (24, 4000)]
PROGRAM = os.path.join(paths.TREE, "tests", "shim", "chains.py")
COMPLETE = 0


@functools.lru_cache()
def functions_of(module):
    """(begin, end, name), sorted. The linker's own listing says which function an offset is in."""
    result = []
    for line in subprocess.run(["nm", "-S", module], stdout=subprocess.PIPE, check=True,
                               text=True).stdout.splitlines():
        words = line.split()
        if len(words) == 4 and words[2] in "tT":
            begin, size = int(words[0], 16), int(words[1], 16)
            result.append((begin, begin + size, words[3]))
    return sorted(result)


def function_at(module, offset):
    functions = functions_of(module)
    # A return address may be the end of the function that called.
    begin, end, name = functions[bisect.bisect_left(functions, (offset, 0, "")) - 1]
    assert begin < offset <= end, (module, hex(offset), name)
    return name


def chains(python, how, options="native", libraries=CHAINS[:1]):
    """Of each call that waited, its native frames, those of ours and of the chain with names."""
    folder = tempfile.mkdtemp()
    outcome = watch.run([*python.argv, PROGRAM, how, *libraries], env={
        "LD_PRELOAD": paths.SHIM, "LOOPHOUND_DIR": folder,
        "LOOPHOUND_OPTIONS": f"blocking-call=1ms,{options}"})
    assert outcome.status == 0, outcome.text()
    named = []
    for recording in lhr.recordings(folder):
        for symbol, native in recording.calls():
            if symbol != "nanosleep":
                continue
            if native:
                native = [name_of(frame) for frame in native[0]], *native[1:]
            named.append(native)
    return named, outcome


def name_of(frame):
    module, offset = frame
    if module == paths.SHIM or module in CHAINS:
        return function_at(module, offset)
    assert os.path.isabs(module) and os.path.exists(module), module
    return os.path.basename(module)


def assert_chain(native):
    names, end, _ = native
    assert names[:4] == ["nanosleep", "chain_c", "chain_b", "chain_a"], names
    assert end == COMPLETE and names[-2].startswith(("libc.so", "python")), (names, end)


@test(each=pythons.host)
def a_chain(python):
    found, _ = chains(python, "call")
    assert len(found) == 1, found
    assert_chain(found[0])


@test
def none_when_they_are_not_wanted():
    found, _ = chains(pythons.debian(), "call", options="strict")
    assert found == [None], found


@test(each=pythons.host)
def to_python_and_back(python):
    (native,), _ = chains(python, "callback")
    assert_chain(native)
    names, _, entries = native
    assert names.count("chain_sort") == 1, names
    # call() is called by compare(), that by C: the first frame entered from C is the second.
    assert entries & 3 == (3 if python.minor < (3, 11) else 2), (bin(entries), python)


@test(each=pythons.host)
def threads_with_small_stacks(python):
    found, _ = chains(python, "threads")
    assert len(found) == 3
    for native in found:
        assert_chain(native)


@test
def three_hundred_forks():
    found, _ = chains(pythons.debian(), "forks")
    assert len(found) == 301, len(found)
    for native in found:
        assert_chain(native)


@test
def another_library_in_its_place():
    """The same functions at the same addresses, with another frame between them."""
    found, outcome = chains(pythons.debian(), "reload", libraries=CHAINS)
    assert outcome.stdout == b"1\n", outcome.text()
    assert len(found) == 20, len(found)
    for native in found:
        assert_chain(native)


runner.main(__name__)
