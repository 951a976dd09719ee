# SPDX-License-Identifier: Apache-2.0
"""Blocking calls of every family: named, with what they waited for and for how long."""
import setup  # noqa: F401
import os
import tempfile

from lib import paths, pythons, runner, watch
from lib.report import mark_line
from lib.runner import test

# A program that is not let run at the end of a call measures more than the call took.
ATTEMPTS = 3


def some_pythons():
    host = pythons.host()
    return [python for python in host
            if python.label in (host[0].label, host[-1].label, pythons.debian().label)]


def said(outcome):
    """{call: (target, ns)}"""
    lines = [line.split("\t") for line in outcome.stdout.decode().splitlines()]
    return {call: (None if target == "None" else target, int(ns)) for call, target, ns in lines}


def differences(outcome):
    """What was not named as the program says, and what was named with another length."""
    expected = said(outcome)
    found = {one["call"]["name"]: one for one in outcome.report.of("blocking-call")}
    named = {call: found[call]["call"]["target"] if call in found else "nothing"
             for call in expected}
    wrong = {call: (target, named[call]) for call, (target, _) in expected.items()
             if target != named[call]}
    late = {call: (ns, found[call]["max_ns"]) for call, (_, ns) in expected.items()
            if call in found and abs(ns - found[call]["max_ns"]) > max(1e6, ns / 100)}
    return wrong, late


def cells():
    """asyncio.to_thread() is of 3.9."""
    return [(python, program) for python in some_pythons()
            for program in ("targets.py", "targets_c.py")
            if program == "targets.py" or python.minor >= (3, 9)]


@test(each=cells, label=lambda cell: f"{cell[1]}-{cell[0]}", timeout=180)
def a_call_is_named_with_its_target_and_its_length(cell):
    python, program = cell
    path = paths.program(program)
    for attempt in range(ATTEMPTS):
        with tempfile.TemporaryDirectory() as folder:
            outcome = watch.watched([*python.argv, path, os.path.realpath(folder)])
        assert outcome.status == 0, outcome.text()
        outcome.report.assert_counts(path)
        wrong, late = differences(outcome)
        assert not wrong, wrong
        if not late:
            break
    assert not late, late
    for found in outcome.report.findings:
        assert found["call"]["gil_held"] is False, found


@test(each=pythons.every)
def a_lock_of_pythons_is_named_by_the_thread_that_has_it(python):
    path = paths.program("locks.py")
    outcome = watch.watched([*python.argv, path])
    assert outcome.status == 0, outcome.text()
    outcome.report.assert_counts(path)
    assert not outcome.report.lost(), outcome.report.lost()
    expected = dict(line.split() for line in outcome.stdout.decode().splitlines())
    found = {each["culprit"]["function"]: each["call"]["target"] or "" for each in
             outcome.report.findings}
    whose = {function: target[len("lock of thread "):] if target.startswith("lock of thread ")
             else "0" for function, target in found.items()}
    assert whose == expected, (found, expected)


@test(each=some_pythons)
def a_deadlock_names_the_thread_that_has_the_lock(python):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "program.py")
        with open(path, "w", encoding="utf-8") as program:
            program.write("import asyncio, os, signal, threading, time\n"
                          "lock, is_held = threading.Lock(), threading.Event()\n"
                          "def hold():\n"
                          "    with lock:\n"
                          "        is_held.set()\n"
                          "        time.sleep(1)\n"
                          "        os.kill(os.getpid(), signal.SIGKILL)\n"
                          "async def main():\n"
                          "    thread = threading.Thread(target=hold)\n"
                          "    thread.start()\n"
                          "    await asyncio.get_running_loop().run_in_executor(None, is_held.wait)\n"
                          "    print(thread.native_id, flush=True)\n"
                          "    lock.acquire()  # BAD: stuck 1\n"
                          "asyncio.run(main())\n")
        outcome = watch.watched([*python.argv, path], ["--stuck", "300ms"])
        outcome.report.assert_counts(path)
    call = outcome.report.one("stuck")["call"]
    assert call["target"] == f"lock of thread {outcome.stdout.decode().strip()}", call


@test
def a_wait_for_an_io_uring_is_named():
    """As liburing waits: by syscall(); with a time limit, Linux 5.11."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "program.py")
        with open(path, "w", encoding="utf-8") as program:
            program.write("import asyncio, ctypes, sys\n"
                          "libc = ctypes.CDLL(None)\n"
                          "async def main():\n"
                          "    ring = libc.syscall(ctypes.c_long(425), 1,"
                          " ctypes.create_string_buffer(120))\n"
                          "    if ring < 0:\n"
                          "        sys.exit(77)\n"
                          "    span = (ctypes.c_longlong * 2)(0, 70_000_000)\n"
                          "    limit = (ctypes.c_ulonglong * 3)(0, 0, ctypes.addressof(span))\n"
                          "    libc.syscall(ctypes.c_long(426), ring, 0, 1, 9, limit,"
                          " ctypes.c_long(24))  # BAD: blocking-call 1\n"
                          "asyncio.run(main())\n")
        outcome = watch.watched([*pythons.debian().argv, path])
        if outcome.status == 77:
            runner.skip("this kernel gives no io_uring")
        outcome.report.assert_counts(path)
    found = outcome.report.one("blocking-call")
    assert found["call"]["name"] == "io_uring_enter", found["call"]
    assert found["call"]["target"] == "anon_inode:[io_uring]", found["call"]
    assert found["max_ns"] >= 70_000_000, found["max_ns"]


def calls():
    """The symbols of hooks.def that a finding can name."""
    with open(os.path.join(paths.TREE, "shim", "hooks.def"), encoding="utf-8") as file:
        for line in file:
            words = line.replace("HOOK(", "").replace(",", "").split()
            if line.startswith("HOOK(") and words[0] not in ("FD", "ENV", "SIGNAL", "EXIT", "IDS",
                                                             "RAW"):
                yield words[1]


@test
def each_call_has_advice_of_its_own():
    names = [*calls(), "fcntl", "futex", "io_uring_enter"]
    assert len(names) > 200, names
    without = [name for name in names
               if watch.run([paths.LOOPHOUND, "explain", name]).status != 0]
    assert not without, without


@test(each=["time.sleep", "os.system", "open", "input", "requests", "psycopg2", "sqlite3.connect",
            "threading.Lock", "logging", "syslog", "pandas.read_csv", "hashlib", "json.dumps"])
def a_word_that_people_would_ask_for_is_explained(word):
    outcome = watch.run([paths.LOOPHOUND, "explain", word])
    assert outcome.status == 0, outcome.text()


@test
def a_call_with_the_gil_held_says_so():
    with tempfile.NamedTemporaryFile("w", suffix=".py") as program:
        program.write("import asyncio, ctypes\n"
                      "libc = ctypes.PyDLL(None)\n"
                      "async def main():\n"
                      "    libc.usleep(50000)  # BAD: blocking-call 1\n"
                      "asyncio.run(main())\n")
        program.flush()
        outcome = watch.watched([*pythons.debian().argv, program.name])
        found = outcome.report.one("blocking-call", program.name,
                                   mark_line(program.name, "blocking-call"))
    assert found["call"]["name"] == "usleep" and found["call"]["gil_held"] is True, found


@test
def sleeps_of_one_length_are_many_calls():
    """Unlike those that grow, which are one wait for what another has: each wait is short here."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as program:
        program.write("import asyncio, ctypes\n"
                      "libc = ctypes.CDLL(None)\n"
                      "async def main():\n"
                      "    for _ in range(23):\n"
                      "        libc.usleep(7000)  # BAD: blocking-call 1\n"
                      "    await asyncio.sleep(0)\n"
                      "    for _ in range(5):\n"
                      "        libc.usleep(7000)\n"
                      "    await asyncio.sleep(0)\n"
                      "    for span in (1, 2, 4, 8, 16, 32, 1, 2, 4, 8, 16, 32, 1, 2, 4):\n"
                      "        libc.usleep(span * 1000)  # BAD: blocking-call 2\n"
                      "asyncio.run(main())\n")
        program.flush()
        report = watch.watched([*pythons.debian().argv, program.name]).report
        report.assert_counts(program.name)
        grown = max(report.findings, key=lambda found: found["count"])
    assert 2 * 63e6 <= grown["total_ns"] and grown["max_ns"] <= grown["total_ns"] - 63e6, grown


@test(each=some_pythons)
def a_class_that_is_called_often_is_not_blamed_for_its_maker(python):
    """From 3.12 on there is a frame of the interpreter's between it and its __init__ then."""
    with tempfile.TemporaryDirectory() as folder:
        library = os.path.join(folder, "site-packages")
        os.mkdir(library)
        with open(os.path.join(library, "waits.py"), "w", encoding="utf-8") as module:
            module.write("import time\n"
                         "class Waits:\n"
                         "    def __init__(self, span):\n"
                         "        time.sleep(span)\n")
        path = os.path.join(folder, "program.py")
        with open(path, "w", encoding="utf-8") as program:
            program.write("import asyncio, sys\n"
                          f"sys.path.insert(0, {library!r})\n"
                          "from waits import Waits\n"
                          "async def main():\n"
                          "    for _ in range(401):\n"
                          "        Waits(0.0001)  # BAD: blocking-call 401\n"
                          "asyncio.run(main())\n")
        options = ["--strict", "--blocking-call", "10s", "--slow-callback", "10s"]
        watch.watched([*python.argv, path], options + ["--long-turn", "10s"]
                      ).report.assert_counts(path)


@test(each=some_pythons)
def the_same_call_from_two_lines_is_counted_at_each(python):
    """Its innermost frame lies in the same place each time, with the same code at the same
    instruction: it is the frames further out that differ."""
    with tempfile.TemporaryDirectory() as folder:
        library = os.path.join(folder, "site-packages")
        os.mkdir(library)
        with open(os.path.join(library, "waits.py"), "w", encoding="utf-8") as module:
            module.write("import os\n"
                         "def inner():\n"
                         "    os.stat('/')\n"
                         "def waits():\n"
                         "    inner()\n")
        path = os.path.join(folder, "program.py")
        with open(path, "w", encoding="utf-8") as program:
            program.write("import asyncio, sys\n"
                          f"sys.path.insert(0, {library!r})\n"
                          "from waits import waits\n"
                          "async def main():\n"
                          "    for i in range(5003):\n"
                          "        waits()  # BAD: blocking-call 5003\n"
                          "        waits()  # BAD: blocking-call 5003\n"
                          "        if i % 7 == 0:\n"
                          "            await asyncio.sleep(0)\n"
                          "            waits()  # BAD: blocking-call 715\n"
                          "asyncio.run(main())\n")
        options = ["--strict", "--blocking-call", "10s", "--slow-callback", "10s"]
        report = watch.watched([*python.argv, path], options + ["--long-turn", "10s"]).report
        report.assert_counts(path)
        assert not report.lost(), report.lost()


@test
def an_import_is_slow_as_an_import_and_not_by_its_calls():
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "sleepy.py"), "w", encoding="utf-8") as module:
            module.write("import time\ntime.sleep(0.15)\n")
        path = os.path.join(folder, "program.py")
        with open(path, "w", encoding="utf-8") as program:
            program.write("import asyncio\n"
                          "async def main():\n"
                          "    import sleepy\n"
                          "asyncio.run(main())\n")
        for options in ([], ["--strict"]):
            report = watch.watched([*pythons.debian().argv, path], options).report
            assert [one["kind"] for one in report.findings] == ["slow-callback"], report.brief()


runner.main(__name__)
