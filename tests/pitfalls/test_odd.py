# SPDX-License-Identifier: Apache-2.0
"""Loops and programs that are not the usual ones: what they do wrong is told, and nothing else is.

Each program in odd/ marks its wrong lines; it says and does the same watched and not. All but trio's
run with asyncio's C module and without it.
"""
import setup  # noqa: F401
import functools
import os
import shutil
import signal
import tempfile

import forms

from lib import load, pythons, runner, watch
from lib.report import marks
from lib.runner import test
from lib.service import Service

ODD = os.path.join(os.path.dirname(os.path.realpath(__file__)), "odd")
PURE = {"PYTHONPATH": forms.PURE}
STAY_MAX_BLOCKS = 40
PROGRAMS = ("forgets_modules", "nests", "overrides", "patched")


def path_of(name):
    return os.path.join(ODD, name + ".py")


def seen(python, name, options=(), env=None):
    """The outcome of a program whose findings are exactly its marks."""
    path = path_of(name)
    outcome = watch.both([*python.argv, path], options, normal=forms.without_addresses, env=env)
    assert (outcome.status, outcome.stdout) == (0, b"done\n"), outcome.text()
    lost = {reason: n for reason, n in outcome.report.lost().items() if reason != "stack-torn"}
    assert not lost, outcome.report.brief()
    if marks(path):
        outcome.report.assert_counts(path)
    else:
        assert not outcome.report.findings, outcome.report.brief()
    return outcome


@test(each=pythons.every)
def pure_python_is_watched(python):
    report = seen(python, "blocks", env=PURE).report
    detectors = set(report.processes[0]["detectors"])
    assert {"turns", "callbacks", "calls", "tasks", "cancellation", "gather"} <= detectors, detectors
    assert report.loops[0]["framework"] == "asyncio" and report.loops[0]["turns"] > 3
    slow, = report.of("slow-callback")
    assert slow["culprit"]["function"] == "computes", slow


@test(each=[(python, pure) for python in pythons.every() for pure in (False, True)],
      label=lambda case: f"{case[0]}{'-pure' * case[1]}")
def what_is_asked_of_objects_stays_nowhere(case):
    """A name made for each question fills the interpreter's cache of attributes, 4096 of them."""
    python, pure = case
    argv, env = [*python.argv, path_of("_cancels")], PURE if pure else None
    bare = int(watch.unwatched(argv, env=env).stdout)
    outcome = watch.watched(argv, env=env)
    assert not outcome.report.of("swallowed-cancellation"), outcome.report.brief()
    runner.note(f"{int(outcome.stdout)} blocks, unwatched {bare}")
    assert int(outcome.stdout) < bare + STAY_MAX_BLOCKS, f"{outcome.stdout}, unwatched {bare}"


@test
def loop_that_cannot_be_watched_is_no_success():
    python = pythons.debian()
    bare = watch.unwatched([*python.argv, path_of("_selects")])
    outcome = watch.watched([*python.argv, path_of("_selects")])
    assert (bare.status, bare.stdout, outcome.stdout) == (0, b"done\n", b"done\n"), outcome.text()
    assert outcome.status == 4 and b"nothing was watched" in outcome.stderr, outcome.text()
    assert outcome.report.lost() == {"loop-unknown": 1} and not outcome.report.loops


@test(each=("gevent", "twisted"))
def loop_of_another_framework_is_no_success(framework):
    python = pythons.debian()
    runner.need_package(f"python3-{framework}", python.has(framework))
    argv = [*python.argv, path_of(f"_{framework}")]
    # Watched when it sleeps on an epoll.
    env = {"GEVENT_BACKEND": "poll"}
    bare, outcome = watch.unwatched(argv, env=env), watch.watched(argv, env=env)
    assert (bare.status, bare.stdout, outcome.stdout) == (0, b"done\n", b"done\n"), outcome.text()
    assert outcome.status == 4 and b"nothing was watched" in outcome.stderr, outcome.text()
    assert outcome.report.lost() == {"loop-unknown": 1} and not outcome.report.loops
    outcome = watch.both([*argv, "imported"])
    assert outcome.status == 0 and not outcome.report.lost(), outcome.text()


@test(each=[(name, pure) for name in PROGRAMS for pure in (False, True)],
      label=lambda case: case[0] + "-pure" * case[1])
def odd_program(case):
    name, pure = case
    wrong = []
    for python in pythons.every():
        try:
            seen(python, name, env=PURE if pure else None)
        except AssertionError as error:
            wrong.append(f"{python}: {error}")
    assert not wrong, "\n".join(wrong)


@test(each=pythons.every)
def lost_task_is_told_though_the_collector_takes_others(python):
    """It comes while one of them is told of, and those with a note behind it move up."""
    argv = [*python.argv, path_of("_collects_at_once")]
    report = watch.both(argv, ["--strict"], normal=forms.without_addresses).report
    counts = {found["culprit"]["function"]: found["count"]
              for found in report.of("unreferenced-task")}
    assert counts.get("waits_for") == 4 and counts["lost"] <= 8, counts


@test(each=("task_flood", "task_never_finished", "unreferenced_task"))
def folder_called_asyncio_is_the_users(name):
    folder = os.path.join(tempfile.mkdtemp(), "asyncio")
    shutil.copytree(forms.FOLDER, folder)
    form = forms.Form(name, "asyncio")
    path = os.path.join(folder, name + ".py")
    outcome = watch.both([*pythons.debian().argv, path, "asyncio"], form.options,
                         normal=forms.without_addresses)
    outcome.report.assert_counts(path)


@test(each=pythons.every)
def flood_is_told_at_its_peak(python):
    """And not at the limit: less what was there when counting began, and a sixty-fourth or 16."""
    report = seen(python, "crowds", ("--task-flood=503",)).report
    sizes = {found["culprit"]["function"].rpartition(".")[2]: found["size"]
             for found in report.of("task-flood")}
    wanted = {"little_by_little": 3001, "grows_again": 2060, "held": 1201, "in_a_turn": 2003,
              "turn_and_more": 2903}
    assert set(sizes) == set(wanted), sizes
    for name, n in wanted.items():
        assert n - 503 // 8 - 16 <= sizes[name] <= n, (name, sizes)
    assert sizes["in_a_turn"] == 2003, sizes


def with_gevent():
    runner.need_package("python3-gevent", pythons.debian().has("gevent"))
    found = pythons.having("gevent")
    runner.note(f"{len(found)} interpreters")
    return found


@test
def gevent_is_watched():
    for python in with_gevent():
        report = seen(python, "gevent_blocks").report
        assert {loop["framework"] for loop in report.loops} == {"gevent"}, report.brief()
        loop = max(report.loops, key=lambda loop: loop["turns"])
        assert len(report.loops) == 2 and loop["callbacks"] > 40 and loop["turns"] > 7, report.loops
        slow, = report.of("slow-callback")
        assert slow["culprit"]["function"] == "computes", slow


@test
def quiet_gevent_is_silent():
    for python in with_gevent():
        for options in ((), ("--long-turn=50ms", "--slow-callback=50ms")):
            # It makes its child by fork(), and on a busy machine that is a slow call.
            options += ("--blocking-call=5s",)
            report = seen(python, "gevent_quiet", options).report
            loop, = report.loops
            assert loop["framework"] == "gevent" and loop["idle_ns"] > 0.5e9, loop


@test
def workers_of_gunicorn_under_gevent():
    """Forked by a master that has no hub, as a service runs."""
    for package in ("gevent", "gunicorn"):
        runner.need_package(f"python3-{package}", pythons.debian().has(package))
    port = load.free_port()
    argv = [pythons.DEBIAN, "-m", "gunicorn", "--worker-class", "gevent", "--workers", "2", "--chdir", ODD,
            "--bind", f"127.0.0.1:{port}", "--log-level", "warning", "_wsgi:app"]
    with Service(argv, port=port) as service:
        service.await_port()
        load.get_many(port, ["/rests"] * 40, concurrency=20)
        load.get_many(port, ["/waits"] * 7 + ["/computes"] * 5)
        outcome = service.end(signal.SIGTERM)
    assert outcome.status == 0, outcome.text()
    assert {loop["framework"] for loop in outcome.report.loops} == {"gevent"}, outcome.report.brief()
    outcome.report.assert_counts(path_of("_wsgi"))


@test
def what_gevent_sleeps_on_is_what_its_hub_polls():
    for python in with_gevent():
        loop, = seen(python, "gevent_polls").report.loops
        assert loop["idle_ns"] > 0.5e9, loop


# What Debian's trio is made of: all of it Python, so it runs on whatever interpreter takes its text.
TRIO = ("trio", "attr", "sortedcontainers", "outcome", "sniffio", "idna", "exceptiongroup",
        "async_generator")


@functools.lru_cache(maxsize=None)
def trio_path():
    """A folder with Debian's trio for interpreters that have none, named as libraries lie."""
    folder = os.path.join(tempfile.mkdtemp(), "dist-packages")
    os.mkdir(folder)
    for name in TRIO:
        source = os.path.join("/usr/lib/python3/dist-packages", name)
        if os.path.isdir(source):
            os.symlink(source, os.path.join(folder, name))
    return {"PYTHONPATH": folder}


def trio_env(python):
    """What trio can be imported with; None: not at all (0.22 is too old for 3.13)."""
    if python.has("trio"):
        return {}
    probe = watch.unwatched([*python.argv, "-c", "import trio"], env=trio_path())
    return trio_path() if probe.status == 0 else None


def with_trio():
    if not pythons.debian().has("trio"):
        runner.need_package("python3-trio", False)
    found = [(python, trio_env(python)) for python in pythons.every()]
    found = [(python, env) for python, env in found if env is not None]
    runner.note(f"{len(found)} interpreters")
    return found


@test
def trio_is_watched():
    for python, env in with_trio():
        report = seen(python, "trio_blocks", env=env).report
        loop, = report.loops
        assert loop["framework"] == "trio" and loop["callbacks"] > 7 and loop["turns"] > 3, loop
        slow, = report.of("slow-callback")
        assert slow["culprit"]["function"] == "computes", slow


@test
def what_is_left_open_under_trio_is_told():
    for python, env in with_trio():
        seen(python, "trio_open", ("--strict", "--no-detect=blocking-call"), env)


@test
def garbage_under_trio_is_a_cause():
    for python, env in with_trio():
        slow, = seen(python, "trio_collects", ("--slow-callback=50ms",), env).report.findings
        cause = slow["cause"]
        assert cause["gc_ns"] + cause["run_queue_ns"] > slow["total_ns"] * 0.9, slow


@test(each=[(), ("--strict",)], label=" ".join, timeout=300)
def quiet_trio_is_silent(options):
    for python, env in with_trio():
        report = seen(python, "trio_quiet", options, env).report
        loop, = report.loops
        assert loop["framework"] == "trio" and loop["idle_ns"] > 1e9, loop


@test
def trio_and_asyncio_in_each_other():
    for python, env in with_trio():
        report = seen(python, "trio_mixed", env=env).report
        assert {loop["framework"] for loop in report.loops} == {"asyncio", "trio"}, report.brief()


runner.main(__name__, at_once=3)
