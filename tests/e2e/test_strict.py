# SPDX-License-Identifier: Apache-2.0
"""--strict: every call that can block is found at its line, however fast, and no right form is."""
import setup  # noqa: F401
import os
import shutil
import subprocess
import tempfile

from lib import paths, pythons, rules, runner, watch
from lib.runner import test

# What is slow on this machine today is not the question here.
OPTIONS = ["--strict", "--blocking-call", "20s", "--slow-callback", "20s", "--long-turn", "20s"]


def some_pythons():
    """The oldest, the newest, Debian's, and what changed in between how calls are made."""
    host = pythons.host()
    wanted = {host[0].label, host[-1].label, pythons.debian().label}
    wanted |= {python.label for python in host if python.minor == (3, 12)}
    return [python for python in pythons.every()
            if python.origin == "sid" or python.label in wanted]


def cells():
    found = [(python, "asyncio") for python in some_pythons()]
    return found + [(python, "uvloop") for python in pythons.having("uvloop")]


def cell_label(cell):
    return f"{cell[1]}-{cell[0]}"


def strict(argv, **keywords):
    outcome = watch.watched(argv, OPTIONS, **keywords)
    assert outcome.status == 0, outcome.text()
    return outcome


def certificate(folder):
    runner.need_package("openssl", shutil.which("openssl"))
    path = os.path.join(folder, "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", path,
                    "-out", path + ".only", "-days", "2", "-subj", "/CN=localhost"],
                   check=True, capture_output=True)
    with open(path, "ab") as whole, open(path + ".only", "rb") as part:
        whole.write(part.read())


@test(each=cells, label=cell_label)
def every_call_that_can_block_is_found_at_its_line(cell):
    python, loop = cell
    path = paths.program("strict_wrong.py")
    outcome = strict([*python.argv, path, loop], stdin=b"a line\n")
    outcome.report.assert_counts(path)
    assert not outcome.report.lost(), outcome.report.lost()
    for found in outcome.report.findings:
        assert found["call"]["gil_held"] is not None, found
    named = {found["call"]["name"] for found in outcome.report.findings}
    assert {"getaddrinfo", "system", "open64", "read", "write", "fsync"} <= named, named


@test(each=cells, label=cell_label)
def the_right_forms_are_silent(cell):
    python, loop = cell
    with tempfile.TemporaryDirectory() as folder:
        certificate(folder)
        strict([*python.argv, paths.program("strict_right.py"), folder, loop]
               ).report.assert_silent()


def rules_run(cell, is_right):
    """A program of all the calls that the rules of linters list."""
    python, loop = cell
    text, n_rows = rules.program(python, is_right)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "program.py")
        with open(path, "w", encoding="utf-8") as program:
            program.write(text)
        os.mkdir(os.path.join(folder, "files"))
        outcome = strict([*python.argv, path, os.path.join(folder, "files"), loop],
                         stdin=b"a line\n")
        assert outcome.stdout.split()[-1] == str(n_rows).encode(), outcome.text()
        if is_right:
            outcome.report.assert_silent()
        else:
            outcome.report.assert_counts(path)


@test(each=cells, label=cell_label)
def every_call_that_linters_list_is_found_at_its_line(cell):
    rules_run(cell, False)


@test(each=cells, label=cell_label)
def what_linters_tell_to_write_instead_is_silent(cell):
    rules_run(cell, True)


@test(each=lambda: [cell for cell in cells() if cell[0].has("aiohttp")], label=cell_label)
def aiohttp_is_silent(cell):
    python, loop = cell
    strict([*python.argv, paths.program("strict_aiohttp.py"), loop]).report.assert_silent()


@test(each=some_pythons)
def a_descriptor_that_never_waits_is_known(python):
    path = paths.program("strict_descriptors.py")
    strict([*python.argv, path]).report.assert_counts(path)


@test(each=some_pythons)
def a_flood_is_counted_exactly_and_loses_nothing(python):
    path = paths.program("strict_flood.py")
    report = strict([*python.argv, path]).report
    report.assert_counts(path)
    assert not report.lost(), report.lost()
    found = [one for one in report.of("blocking-call") if one["call"]["name"] == "pread64"]
    assert len(found) == 1, report.brief()
    # The longest is known by itself.
    assert found[0]["max_ns"] * found[0]["count"] > found[0]["total_ns"], found[0]


@test(each=cells, label=cell_label)
def a_finding_carries_its_task(cell):
    python, loop = cell
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "program.py")
        with open(path, "w", encoding="utf-8") as program:
            program.write("import asyncio, os, sys\n"
                          "if sys.argv[1] == 'uvloop':\n"
                          "    import uvloop\n"
                          "    uvloop.install()\n"
                          "async def inner(path):\n"
                          "    os.stat(path)  # BAD: blocking-call 7\n"
                          "async def handler(n):\n"
                          "    for _ in range(n):\n"
                          "        await inner('/')\n"
                          "        await asyncio.sleep(0)\n"
                          "def bare(done):\n"
                          "    os.access('/', 0)  # BAD: blocking-call 1\n"
                          "    done.set_result(None)\n"
                          "async def main():\n"
                          "    loop = asyncio.get_running_loop()\n"
                          "    done = loop.create_future()\n"
                          "    loop.call_soon(bare, done)\n"
                          "    await done\n"
                          "    await loop.create_task(handler(7), name='seventh')\n"
                          "asyncio.run(main())\n")
        if python.minor < (3, 11):
            with open(path, encoding="utf-8") as program:
                text = program.read().replace("loop.create_task(", "asyncio.create_task(")
            with open(path, "w", encoding="utf-8") as program:
                program.write(text)
        report = strict([*python.argv, path, loop]).report
        report.assert_counts(path)
    tasks = {found["call"]["name"].replace("64", ""): found["task"] for found in report.findings}
    assert tasks.pop("access") is None, tasks
    (task,) = tasks.values()
    assert task["name"] == "seventh" and task["coro"] == "handler", task
    assert [frame["function"].split(".")[-1] for frame in task["await_chain"]] == \
        ["handler", "inner"], task


@test(each=some_pythons)
def to_open_a_file_and_read_it_is_two_calls(python):
    """Though Python asks after the file in each of them."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "program.py")
        with open(path, "w", encoding="utf-8") as program:
            program.write("import asyncio\n"
                          "async def main():\n"
                          "    for _ in range(3):\n"
                          "        with open(__file__) as file:  # BAD: blocking-call 3\n"
                          "            file.read()  # BAD: blocking-call 6\n"
                          "asyncio.run(main())\n")
        report = strict([*python.argv, path]).report
        report.assert_counts(path)
    assert len(report.findings) == 2, report.brief()


@test
def what_a_test_prints_and_logs_is_silent():
    """pytest puts files in the place of stdout and stderr, and logs into /dev/null as well."""
    python = pythons.debian()
    runner.need_package("python3-pytest", python.has("pytest"))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "test_one.py")
        with open(path, "w", encoding="utf-8") as program:
            program.write("import asyncio, logging\n"
                          "async def main():\n"
                          "    for file in (None, None, open('kept', 'w', buffering=1), None):"
                          "  # BAD: blocking-call 1\n"
                          "        print('words', file=file)  # BAD: blocking-call 1\n"
                          "        logging.warning('a warning')\n"
                          "        if file:\n"
                          "            file.close()\n"
                          "def test_one():\n"
                          "    asyncio.run(main())\n")
        report = strict([*python.argv, "-m", "pytest", "-q", path], cwd=folder).report
        report.assert_counts(path)


@test
def without_strict_the_same_program_is_silent():
    argv = [*pythons.debian().argv, paths.program("strict_descriptors.py")]
    options = [option for option in OPTIONS if option != "--strict"]
    watch.watched(argv, options).report.assert_silent()


@test
def the_report_says_that_it_was_strict():
    argv = [*pythons.debian().argv, "-c", "import asyncio; asyncio.run(asyncio.sleep(0))"]
    assert strict(argv).report.raw["options"]["strict"] is True
    assert watch.watched(argv).report.raw["options"]["strict"] is False


runner.main(__name__)
