# SPDX-License-Identifier: Apache-2.0
"""Which test ran: each finding says its pytest node, with no plugin, under xdist and unittest too."""
import setup  # noqa: F401
import os
import subprocess
import tempfile

from lib import formats, paths, pythons, runner, watch
from lib.report import Report
from lib.runner import test

PLAIN = """
import asyncio, os, time

def held():
    time.sleep(0.05)

def run(node, times):
    async def main():
        await asyncio.sleep(0)
        for _ in range(times):
            held()
    for phase in ("setup", "call"):
        os.environ["PYTEST_CURRENT_TEST"] = f"{node} ({phase})"
    asyncio.run(main())
    os.environ["PYTEST_CURRENT_TEST"] = f"{node} (teardown)"
    os.environ.pop("PYTEST_CURRENT_TEST")

run("test_a.py::test_one", 2)
run("test_a.py::test_two[x (call)]", 3)
run("test_a.py::" + "long" * 200, 1)

async def outside():
    time.sleep(0.05)
asyncio.run(outside())
"""
SUITE = """
import asyncio, time, unittest
import pytest

def helper():
    time.sleep(0.05)

async def blocks():
    await asyncio.sleep(0)
    helper()

@pytest.mark.parametrize("what", ["a", "b"])
def test_blocks(what):
    asyncio.run(blocks())

def test_is_right():
    asyncio.run(asyncio.sleep(0))

async def forgotten():
    pass

async def forgets():
    forgotten()

@pytest.mark.filterwarnings("ignore")
def test_forgets():
    asyncio.run(forgets())

class TestUnit(unittest.IsolatedAsyncioTestCase):
    async def test_unit(self):
        time.sleep(0.05)
"""


def need_pytest():
    outcome = subprocess.run([*pythons.debian().argv, "-c", "import pytest, xdist"])
    runner.need_package("python3-pytest python3-pytest-xdist", outcome.returncode == 0)


def suite():
    folder = tempfile.mkdtemp(prefix="suite-")
    os.mkdir(os.path.join(folder, "tests"))
    with open(os.path.join(folder, "tests", "test_app.py"), "w") as file:
        file.write(SUITE)
    return folder


def run_suite(folder, *options, pytest=(), reports=("r.json", "r.xml")):
    need_pytest()
    outputs = [word for path in reports for word in ("--report", path)]
    argv = [*pythons.debian().argv, "-m", "pytest", "-q", "-p", "no:cacheprovider", *pytest]
    outcome = watch.run([paths.LOOPHOUND, "run", "--quiet", *outputs, *options, "--", *argv],
                        cwd=folder, timeout=100)
    outcome.report = Report.load(os.path.join(folder, "r.json"))
    return outcome


def tests_by_function(report):
    return {(f["kind"], f["culprit"]["function"].split(".")[-1]): set(f["tests"]) for f in report.findings}


EXPECTED = {
    ("blocking-call", "helper"): {"tests/test_app.py::test_blocks[a]", "tests/test_app.py::test_blocks[b]"},
    ("blocking-call", "test_unit"): {"tests/test_app.py::TestUnit::test_unit"},
    ("never-awaited", "forgets"): {"tests/test_app.py::test_forgets"},
}


@test(each=pythons.every)
def the_variable_is_seen_as_it_is_set(python):
    path = os.path.join(tempfile.mkdtemp(prefix="tests-"), "app.py")
    with open(path, "w") as file:
        file.write(PLAIN)
    report = watch.watched([*python.argv, path]).report
    found = {f["culprit"]["function"].split(".")[-1]: f for f in report.findings}
    long = ("test_a.py::" + "long" * 200)[:495]
    assert found["held"]["tests"] == ["test_a.py::test_one", "test_a.py::test_two[x (call)]", long]
    assert found["held"]["test"] == "test_a.py::test_one" and found["held"]["count"] == 6
    assert found["outside"]["test"] is None and found["outside"]["tests"] == []


@test
def pytest_nodes_are_named():
    outcome = run_suite(suite())
    assert outcome.status == 0, outcome.text()
    assert tests_by_function(outcome.report) == EXPECTED, outcome.report.brief()


@test
def xdist_workers_too():
    outcome = run_suite(suite(), pytest=["-n", "2"])
    assert outcome.status == 0, outcome.text()
    assert tests_by_function(outcome.report) == EXPECTED, outcome.report.brief()


@test
def junit_has_a_case_for_each_test_with_findings():
    folder = suite()
    run_suite(folder)
    cases = {(classname, name): text for suite_, classname, name, text
             in formats.junit(os.path.join(folder, "r.xml")) if suite_ == "loophound tests"}
    assert set(cases) == {
        ("tests.test_app", "test_blocks[a]"), ("tests.test_app", "test_blocks[b]"),
        ("tests.test_app", "test_forgets"), ("tests.test_app.TestUnit", "test_unit"),
    }, cases
    assert "blocking-call helper" in cases["tests.test_app", "test_blocks[b]"]
    # As pytest itself names them, so that a CI puts the two together.
    run_suite(folder, pytest=["--junitxml", "theirs.xml"])
    with open(os.path.join(folder, "theirs.xml")) as file:
        theirs = file.read()
    for classname, name in cases:
        assert f'classname="{classname}" name="{name}"' in theirs, theirs


@test
def a_test_is_allowed_by_its_node():
    folder = suite()
    with open(os.path.join(folder, "allow.txt"), "w") as file:
        file.write("[it is a test of ours]\nkind = blocking-call\ntest = tests/test_app.py::TestUnit::*\n"
                   "[one of two is not enough]\ntest = tests/test_app.py::test_blocks[[]a]\n"
                   "[as it is]\ntest = tests/test_app.py::test_forgets\n")
    outcome = run_suite(folder, "--allow", "allow.txt", "--fail-on", "any")
    assert outcome.status == 3, outcome.text()
    allowed = {f["culprit"]["function"].split(".")[-1]: f["allowed_by"] for f in outcome.report.findings}
    assert allowed == {"helper": None, "test_unit": "it is a test of ours", "forgets": "as it is"}


runner.main(__name__)
