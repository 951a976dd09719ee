# SPDX-License-Identifier: Apache-2.0
"""A repository with a CI: a commit that adds a blocking call fails, for the right reason."""
import setup  # noqa: F401
import json
import os
import re
import subprocess
import tempfile

from lib import formats, load, paths, pythons, runner, watch
from lib.report import Report, mark_line
from lib.runner import test
from lib.service import Service, example_argv

APP = """
import asyncio
import time

from aiohttp import web


async def hello(request):
    return web.Response(text="hello")


def load_rates():
    time.sleep(0.05)


async def old(request):
    load_rates()
    return web.Response(text="old")


async def audit():
    await asyncio.sleep(0)


async def item(request):
    await audit()
    return web.Response(text="item")


def make():
    app = web.Application()
    app.add_routes([web.get("/", hello), web.get("/old", old), web.get("/item", item)])
    return app
"""
WRONG_LINE = "    time.sleep(0.06)  # BAD"
TESTS = """
import unittest

from aiohttp.test_utils import AioHTTPTestCase

from shop import app


class TestShop(AioHTTPTestCase):
    async def get_application(self):
        return app.make()

    async def check(self, path):
        async with self.client.request("GET", path) as response:
            self.assertEqual(response.status, 200)

    async def test_hello(self):
        await self.check("/")

    async def test_old(self):
        await self.check("/old")

    async def test_item(self):
        await self.check("/item")
"""
CONFIG = 'baseline = "loophound.baseline"\nfail-on = "any"\nquiet = true\n'
N_RUNS = 20
STRICT = """
import asyncio, os, socket, time

def sleeps(): time.sleep(0.001)
def reads():
    with open(__file__) as file: file.read()
def looks_up(): socket.getaddrinfo("127.0.0.1", 80)
def syncs():
    with open("synced", "w") as file:
        file.write("x")
        os.fsync(file)

async def work(what):
    for _ in range(3):
        await asyncio.sleep(0)
        what()

async def forgotten(): pass

async def main():
    await asyncio.gather(*(work(what) for what in (sleeps, reads, looks_up, syncs)))
    forgotten()

asyncio.run(main())
"""


def need():
    outcome = subprocess.run([*pythons.debian().argv, "-c", "import pytest, aiohttp"])
    runner.need_package("python3-pytest python3-aiohttp", outcome.returncode == 0)


def git(folder, *arguments):
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main", *arguments],
        cwd=folder, check=True, stdout=subprocess.DEVNULL,
    )


def write(folder, path, text):
    os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
    with open(os.path.join(folder, path), "w") as file:
        file.write(text)


def commit(folder, message):
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)


def ci(folder, *options):
    """What the one line of a workflow runs."""
    outcome = watch.run(
        [paths.LOOPHOUND, "run", *options, "--report", "r.json", "--report", "r.xml", "--",
         *pythons.debian().argv, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder, timeout=100,
    )
    outcome.report = Report.load(os.path.join(folder, "r.json"))
    return outcome


def repository():
    """With an old sin in its baseline."""
    need()
    folder = os.path.realpath(tempfile.mkdtemp(prefix="repository-"))
    git(folder, "init", "-q")
    write(folder, "shop/__init__.py", "")
    write(folder, "shop/app.py", APP)
    write(folder, "tests/test_shop.py", TESTS)
    write(folder, "conftest.py", "")
    write(folder, "loophound.toml", CONFIG)
    write(folder, ".gitignore", "r.*\n")
    write(folder, "loophound.baseline", "# loophound baseline 1\n")
    outcome = ci(folder, "--update-baseline", "--accept-new")
    assert outcome.status == 0, outcome.text()
    commit(folder, "As it was")
    return folder


def add_blocking_call(folder):
    write(folder, "shop/app.py", "# moved\n" * 5 + APP.replace("    await asyncio.sleep(0)", WRONG_LINE))
    commit(folder, "Add a blocking call")
    with open(os.path.join(folder, "shop", "app.py")) as file:
        return [text.strip() for text in file].index(WRONG_LINE.strip()) + 1


def baseline(folder):
    with open(os.path.join(folder, "loophound.baseline")) as file:
        return [line for line in file if line[0] not in "#\t"]


@test
def what_was_known_passes():
    folder = repository()
    assert len(baseline(folder)) == 1 and "shop.app:load_rates" in baseline(folder)[0], baseline(folder)
    outcome = ci(folder)
    assert outcome.status == 0, outcome.text()


@test
def a_new_blocking_call_fails_with_the_right_line_and_test():
    folder = repository()
    line = add_blocking_call(folder)
    outcome = ci(folder, "--annotate", "github")
    assert outcome.status == 3, outcome.text()
    new = [f for f in outcome.report.findings if f["baseline"] != "known"]
    assert len(new) == 1 and new[0]["baseline"] == "new", outcome.report.brief()
    assert new[0]["culprit"]["line"] == line and new[0]["culprit"]["function"] == "audit"
    assert new[0]["tests"] == ["tests/test_shop.py::TestShop::test_item"], new[0]["tests"]
    annotated = [text for text in outcome.stderr.decode().splitlines() if text.startswith("::error file=")]
    assert len(annotated) == 1, outcome.text()
    assert re.match(rf"::error file=shop/app\.py,line={line},title=loophound%3A blocking-call::"
                    r"time\.sleep .*in tests/test_shop\.py::TestShop::test_item", annotated[0]), annotated
    assert b"::" not in outcome.stdout, outcome.text()
    failed = {(classname, name) for _, classname, name, text
              in formats.junit(os.path.join(folder, "r.xml")) if text}
    assert failed == {("loophound.gates", "any"), ("tests.test_shop.TestShop", "test_item")}, failed


@test
def gitlab_gets_its_code_quality_report():
    folder = repository()
    line = add_blocking_call(folder)
    outcome = ci(folder, "--annotate", "gitlab")
    assert outcome.status == 3, outcome.text()
    with open(os.path.join(folder, "gl-code-quality-report.json")) as file:
        issues = json.load(file)
    places = {(i["check_name"], i["location"]["path"], i["location"]["lines"]["begin"]) for i in issues}
    assert ("blocking-call", "shop/app.py", line) in places and ("gate", ".", 1) in places, places
    assert len({i["fingerprint"] for i in issues}) == len(issues) == 3
    for issue in issues:
        assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")


@test
def accepted_it_passes_and_mended_the_baseline_shrinks():
    folder = repository()
    add_blocking_call(folder)
    assert ci(folder, "--update-baseline", "--accept-new").status == 0
    assert len(baseline(folder)) == 2
    assert ci(folder).status == 0
    write(folder, "shop/app.py", APP.replace("    time.sleep(0.05)", "    pass").replace(
        "    await asyncio.sleep(0)", WRONG_LINE))
    outcome = ci(folder, "--update-baseline")
    assert outcome.status == 0, outcome.text()
    assert len(baseline(folder)) == 1 and "shop.app:audit" in baseline(folder)[0], baseline(folder)
    assert len(outcome.report.raw["baseline"]["gone"]) == 1


@test
def a_job_in_which_nothing_was_watched_is_4():
    folder = tempfile.mkdtemp(prefix="nothing-")
    command = [paths.LOOPHOUND, "run", "--quiet", "--fail-on", "any", "--"]
    assert watch.run([*command, *pythons.debian().argv, "-c", "pass"], cwd=folder).status == 4
    # Python started without the library: by a program that clears its environment.
    outcome = watch.run([*command, "env", "-i", *pythons.debian().argv, "-c", "pass"], cwd=folder)
    assert outcome.status == 4 and b"nothing was watched" in outcome.stderr, outcome.text()


@test
def a_python_that_was_not_watched_is_4_without_a_gate_too():
    folder = tempfile.mkdtemp(prefix="blind-")
    # As a static Python would be: by its name it is one, and it never says hello.
    os.symlink("/bin/true", os.path.join(folder, "python3"))
    outcome = watch.run([paths.LOOPHOUND, "run", "--", "./python3"], cwd=folder)
    assert outcome.status == 4 and b"nothing was watched" in outcome.stderr, outcome.text()
    assert watch.run([paths.LOOPHOUND, "run", "--", "/bin/true"], cwd=folder).status == 0


FLOOD = """
import asyncio
async def none(): pass
async def main():
    await asyncio.gather(*[asyncio.create_task(none()) for _ in range(6007)])
asyncio.run(main())
"""


@test
def a_flood_has_a_size_that_a_gate_can_ask_for_and_a_merge_keeps():
    folder = tempfile.mkdtemp(prefix="flood-")
    write(folder, "app.py", FLOOD)
    for limit, status in ((6006, 3), (6007, 0)):
        outcome = watch.run([paths.LOOPHOUND, "run", "--quiet", "--fail-on", f"task-flood>{limit}", "--report", "r.json",
                             "--", *pythons.debian().argv, "app.py"], cwd=folder)
        assert outcome.status == status, outcome.text()
        merged = watch.run([paths.LOOPHOUND, "report", "--json", "--fail-on", f"task-flood>{limit}", "r.json", "r.json"],
                           cwd=folder)
        assert merged.status == status, merged.text()
        finding = Report(json.loads(merged.stdout)).one("task-flood")
        assert finding["size"] == 6007 and finding["message"].startswith("6007 tasks "), finding


WARMS_UP = """
import asyncio, time
async def main():
    time.sleep(1.3)  # What a server imports before it serves.
    while time.monotonic() < until:
        await asyncio.sleep(0.01)
until = time.monotonic() + 3.7
asyncio.run(main())
"""


@test
def what_a_warm_up_costs_breaks_no_gate_on_the_loop():
    folder = tempfile.mkdtemp(prefix="warm-")
    write(folder, "app.py", WARMS_UP)
    gates = ["--fail-on", "turn-max>1s", "--fail-on", "utilisation>90%", "--fail-on", "blocking-call", "--fail-on", "lost>0"]
    for options, status in ((["--warmup", "2s"], 0), ([], 3)):
        outcome = watch.run([paths.LOOPHOUND, "run", "--quiet", *options, *gates, "--report", "r.json", "--",
                             *pythons.debian().argv, "app.py"], cwd=folder)
        assert outcome.status == status, outcome.text()
        loop, = Report.load(os.path.join(folder, "r.json")).loops
        assert (loop["turn"]["max_ns"] > 1.3e9) == (status == 3), loop
        assert loop["turn"]["count"] > 5, loop


@test
def a_loop_that_never_left_its_warm_up_is_not_judged():
    folder = tempfile.mkdtemp(prefix="warm-")
    write(folder, "app.py", "import asyncio, time\nasync def main():\n    await asyncio.sleep(0.01)\n    time.sleep(0.3)\n"
                            "asyncio.run(main())\n")
    gates = ["any", "lag-p99>1ms", "turn-max>1ms", "utilisation>1%", "blocking-call>1ms"]
    options = [word for gate in gates for word in ("--fail-on", gate)]
    python = pythons.debian().argv
    outcome = watch.run([paths.LOOPHOUND, "run", "--quiet", "--warmup", "60s", *options, "--report", "r.json",
                         "--report", "r.txt", "--report", "r.md", "--report", "r.lhr", "--", *python, "app.py"], cwd=folder)
    assert outcome.status == 4, outcome.text()
    assert outcome.stderr.count(b"could not be checked: no loop outlived its warm-up") == len(gates), outcome.text()
    report = Report.load(os.path.join(folder, "r.json"))
    loop, = report.loops
    assert not loop["busy_ns"] and not loop["idle_ns"] and not loop["utilisation"], loop
    assert not any(loop[name]["count"] or loop[name]["max_ns"] for name in ("turn", "callback", "lag")), loop
    assert [gate["value"] for gate in report.raw["gates"]] == [None] * len(gates), report.raw["gates"]
    for name in ("r.txt", "r.md"):
        text = open(os.path.join(folder, name)).read()
        assert "busy, " not in text and "No finding" not in text and "no finding" not in text, text
    for name in ("r.json", "r.lhr"):
        outcome = watch.run([paths.LOOPHOUND, "report", "--quiet", *options, name], cwd=folder)
        assert outcome.status == 3, outcome.text()
        assert outcome.stderr.count(b"no loop outlived its warm-up") == len(gates), outcome.text()
    outcome = watch.run([paths.LOOPHOUND, "run", "--quiet", "--warmup", "60s", "--", *python, "app.py"], cwd=folder)
    assert outcome.status == 0 and not outcome.stderr, outcome.text()


def without_times(text):
    raw = json.loads(text)
    for key in ("started", "ended", "loops", "processes"):
        raw.pop(key)
    for finding in raw["findings"]:
        for key in [key for key in finding if key.endswith("_ns")]:
            finding.pop(key)
        for key in ("first_seen", "last_seen", "pids", "cause"):
            finding.pop(key)
        finding["message"] = re.sub(r"[\d.]+ (ns|us|ms|s)\b", "TIME", finding["message"])
    return json.dumps(raw, indent=1)


@test(timeout=300)
def twenty_strict_runs_say_the_same():
    folder = tempfile.mkdtemp(prefix="strict-")
    write(folder, "app.py", STRICT)
    seen = set()
    for number in range(5 if runner.quick() else N_RUNS):
        path = os.path.join(folder, f"{number}.json")
        # No limit is near: a machine that is slow for a moment shall not be what is compared.
        outcome = watch.run([paths.LOOPHOUND, "run", "--quiet", "--strict", "--blocking-call", "10s", "--slow-callback", "10s",
                             "--long-turn", "10s", "--report", path, "--", *pythons.debian().argv,
                             "app.py"], cwd=folder)
        assert outcome.status == 0, outcome.text()
        Report.load(path)
        with open(path) as file:
            seen.add(without_times(file.read()))
    first, *others = sorted(seen)
    functions = [(f["kind"], f["culprit"]["function"]) for f in json.loads(first)["findings"]]
    assert ("blocking-call", "sleeps") in functions and ("never-awaited", "main") in functions, functions
    for other in others:
        import difflib
        raise AssertionError("\n".join(difflib.unified_diff(first.splitlines(), other.splitlines(), lineterm="")))


def load_test(plan, *options):
    """The example service with three workers, as a workflow would load it."""
    for module, package in (("uvicorn", "python3-uvicorn"), ("fastapi", "python3-fastapi"),
                            ("gunicorn", "python3-gunicorn")):
        try:
            __import__(module)
        except ImportError:
            runner.need_package(package, False)
    port = load.free_port()
    with Service(example_argv("gunicorn-asyncio", port), port=port, options=options) as service:
        service.await_port()
        seen = set()

        def all_serve():
            seen.update(body["pid"] for _, _, body in load.get_many(port, ["/healthy"] * 12, concurrency=12))
            return len(seen) == 3

        load.wait_for(all_serve, 60, "three workers serve")
        load.get_many(port, plan, concurrency=12)
        return service.end()


@test(timeout=240)
def a_load_test_fails_with_the_bad_endpoint_and_names_it():
    outcome = load_test(["/healthy", "/sleep"] * 101, "--fail-on", "lag-p99>50ms", "--annotate", "github")
    assert outcome.status == 3, outcome.text()
    assert outcome.report.raw["gates"][0]["value"] > 50e6
    assert len([loop for loop in outcome.report.loops if loop["turns"]]) == 3, outcome.report.brief()
    finding = outcome.report.one("blocking-call", line=mark_line(paths.SERVICE + "/app.py", "blocking-call", "time.sleep"))
    assert finding["count"] == 101, outcome.report.brief()
    assert f"app.py,line={finding['culprit']['line']},".encode() in outcome.stderr, outcome.text()


@test(timeout=240)
def a_load_test_passes_without_it():
    # Lag is real where others take the CPUs from the service: that once in a while is not its fault, and each time is.
    for _ in range(5):
        outcome = load_test(["/healthy"] * 997, "--fail-on", "lag-p99>50ms", "--fail-on", "blocking-call")
        lag, blocking = outcome.report.raw["gates"]
        assert blocking["ok"] and outcome.status == (0 if lag["ok"] else 3), outcome.text()
        if lag["ok"]:
            break
    assert lag["ok"], outcome.text()
    assert len(outcome.report.loops) == 3, outcome.report.brief()


runner.main(__name__)
