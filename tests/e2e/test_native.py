# SPDX-License-Identifier: Apache-2.0
"""Native and Python frames as one stack: order, names and lines, on every interpreter.

One extension, of the stable ABI, serves all interpreters.
"""
import setup  # noqa: F401
import json
import os
import shutil
import subprocess
import sys
import tempfile

from lib import paths, pythons, runner, watch
from lib.report import Report, same_file
from lib.runner import fixture, test

sys.path.insert(0, paths.SERVICE)
from private_postgres import NoPostgres, PrivatePostgres  # noqa: E402

PROGRAM = paths.program("native.py")
SOURCE = paths.program("native_ext.c")
NATIVE = ("--native",)


def include_folder():
    for python in pythons.host():
        told = subprocess.run(
            [*python.argv, "-c", "import sysconfig; print(sysconfig.get_paths()['include'])"],
            stdout=subprocess.PIPE, text=True,
        ).stdout.strip()
        if os.path.exists(told + "/Python.h"):
            return told
    runner.need_package("libpython3-dev", False)


def extension(flags=("-g",)):
    """The folder of the extension, as old as a process that is started now."""
    folder = tempfile.mkdtemp(prefix="native-")
    # For a program that is not root.
    os.chmod(folder, 0o755)
    os.chmod(os.path.dirname(folder), 0o755)
    subprocess.run(
        ["cc", "-O2", *flags, "-shared", "-fPIC", "-I", include_folder(), "-o",
         folder + "/native_ext.abi3.so", SOURCE], check=True,
    )
    return folder


def line_of(path, containing):
    with open(path) as file:
        found = [n for n, text in enumerate(file, 1) if containing in text]
    assert len(found) == 1, (containing, found)
    return found[0]


def run(python, what, options=NATIVE, arguments=(), argv=None, flags=("-g",)):
    command = [*(argv or python.argv), PROGRAM, extension(flags), what, *arguments]
    outcome = watch.watched(command, options=options)
    assert outcome.status == 0, outcome.text()
    return outcome.report


def plain(frame):
    """Qualified names are only known from 3.11 on."""
    return frame["kind"], frame["function"].rsplit(".", 1)[-1]


def inner(stack, count):
    return [plain(frame) for frame in stack["frames"][:count]]


def assert_python_outside(stack, count):
    """Outside of what a test looks at there is Python alone, out to the module."""
    assert {frame["kind"] for frame in stack["frames"][count:]} == {"python"}, stack
    assert stack["frames"][-1]["function"] == "<module>", stack["frames"][-1]


def is_nameless(python):
    """Debian's 3.14 and 3.15 are stripped of the names of what the interpreter consists of."""
    return python.origin == "sid"


def merged(found):
    """The stacks with native frames."""
    return [stack for stack in found["stacks"]
            if any(frame["kind"] == "native" for frame in stack["frames"])]


@test(each=pythons.every)
def a_wait_in_an_extension_has_all_its_frames(python):
    report = run(python, "wait")
    found = report.one("blocking-call", PROGRAM, line_of(PROGRAM, "blocking-call 7"))
    assert found["count"] == 7 and len(found["stacks"]) == 1, report.brief()
    assert found["call"]["gil_held"] is True
    assert not report.lost(), report.brief()
    stack = found["stacks"][0]
    assert stack["count"] == 7
    assert inner(stack, 6) == [
        ("native", "poll"), ("native", "wait_inner"), ("native", "wait_outer"),
        ("native", "ext_wait"), ("python", "wait"), ("python", "main"),
    ], stack["frames"]
    assert [frame["module"] for frame in stack["frames"][:4]] == [
        "libc.so.6", *["native_ext.abi3.so"] * 3], stack["frames"]
    for frame, mark in zip(stack["frames"][1:3], ("/* WAITS */", "/* CALLS */")):
        assert same_file(frame["file"], SOURCE) and frame["line"] == line_of(SOURCE, mark), frame
    assert_python_outside(stack, 4)


@test(each=pythons.every)
def a_wait_below_a_callback_from_c_is_in_order(python):
    report = run(python, "wait_below")
    found = report.one("blocking-call", PROGRAM, line_of(PROGRAM, "(below)"))
    assert found["count"] == 3, report.brief()
    assert not report.lost(), report.brief()
    assert inner(found["stacks"][0], 8) == [
        ("native", "poll"), ("native", "wait_inner"), ("native", "wait_outer"),
        ("native", "ext_wait"), ("python", "back"), ("native", "ext_call"),
        ("python", "wait_below"), ("python", "main"),
    ], found["stacks"][0]["frames"]
    assert_python_outside(found["stacks"][0], 6)


@test
def a_stripped_extension_has_offsets():
    report = run(pythons.debian(), "wait", flags=("-g0", "-s"))
    found = report.one("blocking-call", PROGRAM)
    names = [frame["function"] for frame in found["stacks"][0]["frames"][:5]]
    assert names[0] == "poll" and names[4] == "wait", names
    assert all(name.startswith("native_ext.abi3.so+0x") for name in names[1:4]), names


@test(each=pythons.every, alone=True)
def c_code_that_computes_is_seen_at_work(python):
    report = run(python, "spin")
    found = report.one("slow-callback", PROGRAM, line_of(PROGRAM, "SPINS"))
    assert found["count"] == 3, report.brief()
    assert not report.lost(), report.brief()
    stack, = merged(found)
    assert stack["count"] >= 3, found["stacks"]
    assert inner(stack, 4) == [
        ("native", "spin_inner"), ("native", "ext_spin"), ("python", "spin"), ("python", "main"),
    ], stack["frames"]
    assert same_file(stack["frames"][0]["file"], SOURCE), stack["frames"][0]
    assert_python_outside(stack, 2)


@test(each=pythons.every, alone=True)
def c_code_that_never_ends_is_seen_at_work(python):
    outcome = watch.watched([*python.argv, PROGRAM, extension(), "endless"], options=NATIVE)
    assert outcome.status != 0, outcome.text()
    found = outcome.report.one("stuck", PROGRAM, line_of(PROGRAM, "NEVER ENDS"))
    assert found["count"] == 1 and not outcome.report.lost(), outcome.report.brief()
    stack, = found["stacks"]
    assert inner(stack, 4) == [
        ("native", "spin_inner"), ("native", "ext_spin"), ("python", "endless"),
        ("python", "main"),
    ], stack["frames"]
    assert_python_outside(stack, 2)


@test(each=pythons.every, alone=True)
def a_catastrophic_regex_is_seen_in_sre(python):
    report = run(python, "regex")
    found = report.one("slow-callback", PROGRAM, line_of(PROGRAM, "MATCHES"))
    assert found["count"] == 1, report.brief()
    # A thread may be stopped where it enters a function or leaves it: one of its two stacks has the
    # frame then and the other has not, and they must not be merged.
    lost = report.lost()
    assert lost.pop("stack-unmerged", 0) <= 1 and not lost, report.brief()
    if is_nameless(python):
        # What has a name lies outside of the interpreter: memory that sre takes and gives back.
        for stack in found["stacks"]:
            kinds = [frame["kind"] for frame in stack["frames"]]
            first = kinds.index("python")
            assert all(frame["module"] == "libc.so.6" for frame in stack["frames"][:first]), stack
            assert_python_outside(stack, first)
        return
    seen = merged(found)
    assert seen, found["stacks"]
    for stack in seen:
        names = [plain(frame) for frame in stack["frames"]]
        first = next(i for i, (kind, _) in enumerate(names) if kind == "python")
        assert ("native", "sre_ucs1_match") in names[:first], names
        assert names[first - 1] == ("native", "_sre_SRE_Pattern_match"), names
        assert names[first:first + 3] == [
            ("python", "match"), ("python", "regex"), ("python", "main")], names
        assert_python_outside(stack, first)


@test(each=pythons.every)
def without_native_the_line_is_right_and_no_frame_native(python):
    for what, mark in (("spin", "SPINS"), ("regex", "MATCHES")):
        report = run(python, what, options=())
        found = report.one("slow-callback", PROGRAM, line_of(PROGRAM, mark))
        assert not merged(found) and not report.lost(), report.brief()


@test
def without_root_the_line_is_right():
    prefix = []
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            runner.need_package("util-linux", False)
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for what, mark in (("spin", "SPINS"), ("regex", "MATCHES")):
        folder = extension()
        os.chmod(folder, 0o777)
        argv = [pythons.debian().real, PROGRAM, folder, what]
        outcome = watch.run([*prefix, *watch.run_argv(argv, folder + "/report.json")])
        assert outcome.status == 0, outcome.text()
        report = Report.load(folder + "/report.json")
        report.one("slow-callback", PROGRAM, line_of(PROGRAM, mark))


@fixture(timeout=120)
def queried():
    if not pythons.debian().has("psycopg2"):
        runner.need_package("python3-psycopg2", False)
    try:
        with PrivatePostgres() as server:
            return run(pythons.debian(), "query", arguments=[server.dsn]).raw
    except NoPostgres as reason:
        runner.need_package(f"postgresql ({reason})", False)


@test
def a_query_waits_in_libpq(run=queried):
    found = [f for f in run["findings"] if f["culprit"]["line"] == line_of(PROGRAM, "QUERIES")]
    assert len(found) == 1 and found[0]["count"] == 5, json.dumps(run["findings"])[:2000]
    frames = found[0]["stacks"][0]["frames"]
    first = [frame["kind"] for frame in frames].index("python")
    assert frames[0]["function"] == "poll" and frames[0]["module"] == "libc.so.6", frames[0]
    modules = [frame["module"].split(".")[0] for frame in frames[1:first]]
    in_libpq = modules.count("libpq")
    assert in_libpq >= 2 and modules == ["libpq"] * in_libpq + ["_psycopg"] * (
        len(modules) - in_libpq) and len(modules) > in_libpq, modules
    assert any(frame["function"] in ("PQgetResult", "PQexec") for frame in frames[1:first])
    assert [plain(frame) for frame in frames[first:first + 2]] == [
        ("python", "query"), ("python", "main")]


@test
def the_text_report_names_native_frames():
    command = [*pythons.debian().argv, PROGRAM, extension(), "wait"]
    outcome = watch.run(watch.run_argv(command, options=NATIVE, quiet=False))
    calls = f"native wait_outer of native_ext (native_ext.c:{line_of(SOURCE, 'CALLS')})"
    for line in ("native poll of libc.so.6", calls):
        assert line.encode() in outcome.stderr, outcome.text()


@test(alone=True)
def another_tracer_keeps_the_python_stack():
    if not shutil.which("strace"):
        runner.need_package("strace", False)
    argv = ["strace", "-f", "-e", "trace=none", "-o", "/dev/null", *pythons.debian().argv]
    report = run(pythons.debian(), "spin", argv=argv)
    found = report.one("slow-callback", PROGRAM, line_of(PROGRAM, "SPINS"))
    assert found["count"] == 3 and not merged(found)
    assert report.lost() == {"trace-refused": 1}, report.brief()


runner.main(__name__, at_once=2)
