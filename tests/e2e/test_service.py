# SPDX-License-Identifier: Apache-2.0
"""The example service under the servers people use, with three workers, and exact numbers.

Each server is run once, watched, and sent a known number of requests; every test below reads what
that run gave: the report, and what the service itself measured.
"""
import setup  # noqa: F401
import signal
import statistics

from lib import load, paths, runner
from lib.report import Report, mark_line, marks, same_file
from lib.runner import fixture, test
from lib.service import Service, example_argv

import sys

sys.path.insert(0, paths.SERVICE)
from private_postgres import NoPostgres, PrivatePostgres  # noqa: E402

APP = paths.SERVICE + "/app.py"
SERVERS = ["uvicorn-asyncio", "uvicorn-uvloop", "gunicorn-asyncio", "gunicorn-uvloop"]
# Prime, so that no multiple of a count can pass for it.
PLAN = {"/sleep": 101, "/query": 53, "/cpu": 11, "/forgot": 97, "/healthy": 211}
MS = 1_000_000
# All may meet one worker in one turn, and what they take together is a long turn on a slow machine.
CONCURRENCY = 5
# How often the watchdog takes a sample of a callback past its limit.
SAMPLE_MS = 20


def need_servers():
    for module, package in (
        ("uvicorn", "python3-uvicorn"), ("fastapi", "python3-fastapi"),
        ("uvloop", "python3-uvloop"), ("psycopg2", "python3-psycopg2"),
        ("gunicorn", "python3-gunicorn"),
    ):
        try:
            __import__(module)
        except ImportError:
            runner.need_package(package, False)


def mixed_plan():
    """All requests of the plan, each kind spread evenly over the whole."""
    total = max(PLAN.values())
    return [
        path for step in range(total) for path, count in PLAN.items()
        if (step + 1) * count // total > step * count // total
    ]


@fixture(timeout=240)
def served(server):
    need_servers()
    port = load.free_port()
    try:
        with PrivatePostgres() as database, Service(
            example_argv(server, port), port=port, env={"SERVICE_DSN": database.dsn},
        ) as service:
            service.await_port()
            answers = load.get_many(port, mixed_plan(), concurrency=CONCURRENCY)
            outcome = service.end(signal.SIGINT)
    except NoPostgres as reason:
        runner.need_package(f"postgresql ({reason})", False)
    assert outcome.report, "no report: " + outcome.text()
    return {
        "answers": answers, "report": outcome.report.raw, "status": outcome.status,
        "output": outcome.text(),
    }


def took(run, path):
    return [body["took_ns"] for p, _, body in run["answers"] if p == path]


def finding(run, kind, containing=""):
    return Report(run["report"]).one(kind, APP, mark_line(APP, kind, containing))


def assert_close(what, ours_ns, theirs_ns):
    limit = max(1 * MS, theirs_ns * 0.01)
    assert abs(ours_ns - theirs_ns) <= limit, (
        f"{what}: the report says {ours_ns / MS:.3f} ms, the service measured "
        f"{theirs_ns / MS:.3f} ms; off by more than {limit / MS:.3f} ms"
    )


@test(each=SERVERS)
def every_request_was_answered(server, run=served):
    wrong = [answer for answer in run["answers"] if answer[1] != 200]
    assert not wrong and len(run["answers"]) == sum(PLAN.values()), wrong[:3]


@test(each=SERVERS)
def sleep_is_counted_exactly(server, run=served):
    assert finding(run, "blocking-call", "time.sleep")["count"] == PLAN["/sleep"]


@test(each=SERVERS)
def query_is_counted_exactly(server, run=served):
    assert finding(run, "blocking-call", "cursor.execute")["count"] == PLAN["/query"]


@test(each=SERVERS)
def cpu_is_counted_exactly(server, run=served):
    assert finding(run, "slow-callback")["count"] == PLAN["/cpu"]


@test(each=SERVERS)
def forgotten_await_is_counted_exactly(server, run=served):
    found = finding(run, "never-awaited")
    assert found["count"] == PLAN["/forgot"]
    assert "audit" in found["name"], found["name"]


@test(each=SERVERS)
def sleep_took_what_the_service_measured(server, run=served):
    found, measured = finding(run, "blocking-call", "time.sleep"), took(run, "/sleep")
    assert_close("mean", found["total_ns"] / len(measured), statistics.mean(measured))
    assert_close("median", found["p50_ns"], statistics.median_low(measured))
    # Around the longest the service also waited for a CPU once the sleep was over, or it would not
    # be the longest. What slept 150 ms and more cannot have taken longer than that.
    assert 150 * MS <= found["max_ns"] <= max(measured), (found["max_ns"], max(measured))


@test(each=SERVERS)
def query_took_what_the_service_measured(server, run=served):
    found, measured = finding(run, "blocking-call", "cursor.execute"), took(run, "/query")
    # execute() also sends, parses, and waits for a CPU and the GIL once the poll has returned: on
    # two cores some requests take milliseconds for that. The poll lies inside each of them.
    assert found["total_ns"] <= sum(measured), (found["total_ns"], sum(measured))
    assert found["max_ns"] <= max(measured), (found["max_ns"], max(measured))
    assert_close("median", found["p50_ns"], statistics.median_low(measured))


@test(each=SERVERS)
def query_names_the_database(server, run=served):
    call = finding(run, "blocking-call", "cursor.execute")["call"]
    assert ".s.PGSQL.5432" in (call["target"] or ""), call


@test(each=SERVERS)
def findings_name_the_workers_that_served(server, run=served):
    workers = {body["pid"] for path, _, body in run["answers"] if path == "/sleep"}
    assert set(finding(run, "blocking-call", "time.sleep")["pids"]) == workers


@test(each=SERVERS)
def every_worker_was_watched(server, run=served):
    served_by = {body["pid"] for _, _, body in run["answers"]}
    report = Report(run["report"])
    assert served_by <= {process["pid"] for process in report.processes}, report.brief()
    with_loop = {loop["pid"] for loop in report.loops if loop["turns"]}
    assert served_by <= with_loop, report.brief()
    assert len(with_loop) >= 3, report.brief()


@test(each=SERVERS)
def loops_name_their_framework(server, run=served):
    report = Report(run["report"])
    served_by = {body["pid"] for _, _, body in run["answers"]}
    wanted = server.split("-")[1]
    named = {loop["framework"] for loop in report.loops if loop["pid"] in served_by and loop["turns"]}
    assert named == {wanted}, report.brief()


@test(each=SERVERS)
def nothing_else_in_the_service_is_blamed(server, run=served):
    """Only marked lines, and what uvicorn does in its loop: import the service, slow when cold."""
    report = Report(run["report"])
    marked = {(kind, line) for kind, line, _ in marks(APP)}
    others = [
        f for f in report.findings
        if not (same_file(f["culprit"]["file"], APP) and
                (f["kind"], f["culprit"]["line"]) in marked) and
        not (f["kind"] == "slow-callback" and f["culprit"]["function"] == "<module>")
    ]
    assert not others, f"{[f['message'] for f in others]}\n{report.brief()}"


@test(each=SERVERS)
def nothing_was_lost(server, run=served):
    """Samples of running code may be torn, most on a machine of slow system calls; few are."""
    lost = Report(run["report"]).lost()
    torn = lost.pop("stack-torn", 0)
    n_samples = finding(run, "slow-callback")["total_ns"] / (SAMPLE_MS * MS)
    runner.note(f"{torn} of some {n_samples:.0f} samples torn")
    assert not lost and torn <= n_samples / 3, (torn, Report(run["report"]).brief())


@test(each=SERVERS)
def the_server_ended_as_it_does(server, run=served):
    assert run["status"] == 0, run["output"]


runner.main(__name__)
