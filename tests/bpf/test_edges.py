# SPDX-License-Identifier: Apache-2.0
"""What is odd: calls that look like turns, processes that stop, change, end, or lie, and refusals."""
import setup  # noqa: F401
import glob
import json
import os
import signal
import subprocess
import tomllib

import attached
from lib import paths, pythons, runner, watch
from lib.report import Report, mark_line
from lib.runner import test

LOOPS = ["asyncio", "uvloop"]
QUIET = sorted(os.path.basename(path) for path in glob.glob(paths.program("quiet_*.py")))

@test(each=QUIET)
def correct_program_is_silent(name):
    attached.need()
    _, told = attached.attached(pythons.debian(), paths.program(name), "asyncio")
    told.report.assert_silent()


@test(each=pythons.every)
def nested_poll_is_a_call(python):
    attached.need()
    path = attached.program("nested.py")
    _, told = attached.attached(python, path)
    told.report.assert_counts(path)
    assert told.report.one("blocking-call")["call"]["name"] == "epoll_wait"


@test(each=pythons.every)
def callbacks_of_one_turn_are_told_apart(python):
    attached.need()
    path = attached.program("many.py")
    _, told = attached.attached(python, path)
    told.report.assert_counts(path)


# Before 3.13 a state is freed as it stands, and its frame may lead anywhere: one sample of it in
# some hundreds of runs is counted.
@test(each=[p for p in pythons.every() if p.minor >= (3, 13)])
def thread_without_an_interpreter_is_no_stack_that_was_lost(python):
    attached.need()
    path = attached.program("outlives.py")
    _, told = attached.attached(python, path)
    told.report.assert_counts(path)
    assert not told.report.lost(), told.report.lost()


@test
def busy_host_hides_no_wait():
    """Where threads must be switched to without a word, it is between others that are busy."""
    attached.need()
    path = attached.program("waits.py")
    hogs = [subprocess.Popen([*pythons.debian().argv, "-c", "while True: pass"])
            for _ in range(2 * os.cpu_count())]
    try:
        _, told = attached.attached(pythons.debian(), path)
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
    told.report.assert_counts(path)
    assert not told.report.lost(), told.report.lost()


def debian_with(loop):
    python = pythons.debian()
    if loop == "uvloop":
        runner.need_package("python3-uvloop", python.has("uvloop"))
    return python


@test(each=LOOPS)
def deadlock_is_told_while_it_lasts(loop):
    attached.need()
    path = attached.program("deadlock.py")
    report = watch.report_path()
    process, pid = attached.start_gated(debian_with(loop), path, loop)
    loophound = attached.start_attach(pid, (), report)
    attached.go(process)
    line = loophound.stderr.readline()
    assert b"held by futex" in line, line
    line = loophound.stderr.readline()
    assert b"stuck" in line, line
    loophound.send_signal(signal.SIGINT)
    told = attached.finish(loophound, ["attach"])
    process.kill()
    process.communicate()
    assert told.status == 0, told.text()
    found = Report.load(report).one("stuck", path, mark_line(path, "stuck"))
    assert found["provisional"] and found["call"]["name"] == "futex", found


def report_of_a_stopped_process(loop):
    path = attached.program("stops.py")
    report = watch.report_path()
    process, pid = attached.start_gated(debian_with(loop), path, loop)
    loophound = attached.start_attach(pid, (), report)
    attached.go(process)
    for _ in range(3):
        attached.wait_for(lambda: attached.state_of(pid) == "T", lambda: "it stops itself")
        # Longer than any limit.
        attached.pass_ms(300)
        os.kill(pid, signal.SIGCONT)
        assert process.stdout.readline() == b"on\n"
    seen = attached.finish(process, [path])
    attached.finish(loophound, ["attach"])
    assert seen.status == 0, seen.text()
    return Report.load(report)


@test(each=LOOPS)
def stopped_process_is_nobodys_fault(loop):
    attached.need()
    told = report_of_a_stopped_process(loop)
    told.assert_silent()
    assert loop in {one["framework"] for one in told.loops}, told.brief()


@test
def process_that_execs_ends_its_watch():
    attached.need()
    path = attached.program("execs.py")
    _, told = attached.attached(pythons.debian(), path)
    told.report.assert_counts(path)
    assert told.status == 0, told.text()


@test(each=[p for p in pythons.every() if not p.free_threaded])
def frames_that_lead_nowhere_harm_nobody(python):
    attached.need()
    path = attached.program("hostile.py")
    _, told = attached.attached(python, path)
    found = told.report.one("blocking-call", path, mark_line(path, "blocking-call"))
    assert found["count"] == 1, told.report.brief()
    # 18 stacks were cut before the loop's own frame, and 5 before a frame whose code is none: what
    # they belong to is not known, and said. A kernel may not tell each switch: one in some thousand.
    assert told.report.lost().get("stack-unreadable", 0) >= 21, told.report.lost()
    assert set(told.report.lost()) == {"stack-unreadable"}, told.report.lost()


@test
def killed_loophound_leaves_nothing():
    attached.need()
    path = attached.program("sleeps.py")
    process, pid = attached.start_gated(pythons.debian(), path)
    loophound = attached.start_attach(pid)
    programs = attached.program_ids(loophound.pid)
    assert len(programs) == 6, programs
    attached.go(process)
    loophound.kill()
    loophound.communicate()
    attached.wait_for(lambda: not [one for one in programs if is_loaded(one)],
                      lambda: "the programs are gone")
    seen = attached.finish(process, [path])
    assert seen.status == 0, seen.text()


def is_loaded(program):
    return subprocess.run(
        ["/usr/sbin/bpftool", "prog", "show", "id", str(program)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ).returncode == 0


@test
def privileges_are_given_up():
    attached.need()
    process, pid = attached.start_gated(pythons.debian(), attached.program("sleeps.py"))
    loophound = attached.start_attach(pid)
    with open(f"/proc/{loophound.pid}/status") as file:
        words = dict(line.split(":", 1) for line in file)
    # CAP_DAC_READ_SEARCH 2, CAP_SYS_PTRACE 19, CAP_PERFMON 38, CAP_BPF 39.
    allowed = 1 << 2 | 1 << 19 | 1 << 38 | 1 << 39
    assert int(words["CapEff"], 16) & ~allowed == 0, words["CapEff"]
    assert int(words["CapPrm"], 16) & ~allowed == 0, words["CapPrm"]
    loophound.send_signal(signal.SIGINT)
    assert attached.finish(loophound, ["attach"]).status == 0
    attached.go(process)
    attached.finish(process, [])


@test
def duration_ends_it():
    attached.need()
    process, pid = attached.start_gated(pythons.debian(), attached.program("sleeps.py"))
    report = watch.report_path()
    loophound = attached.start_attach(pid, ["--duration", "300ms"], report)
    assert attached.finish(loophound, ["attach"]).status == 0
    Report.load(report)
    attached.go(process)
    assert attached.finish(process, []).status == 0


def refused(*words):
    outcome = watch.run([paths.LOOPHOUND, "attach", *words])
    lines = outcome.stderr.decode().splitlines()
    assert len(lines) == 1, outcome.text()
    return outcome.status, lines[0]


@test
def refusals_say_why():
    attached.need()
    assert refused()[0] == 2
    assert refused("--no-inject", "many")[0] == 2
    assert refused("--no-inject", "1", "2")[0] == 2
    assert refused("--no-inject", "--duration", "soon", "1")[0] == 2
    status, line = refused("1")
    assert status == 2 and "--no-inject" in line, line
    status, line = refused("--no-inject", "4194304")
    assert status == 4 and "no such process" in line, line
    other = subprocess.Popen(["/bin/sleep", "60"])
    status, line = refused("--no-inject", str(other.pid))
    assert status == 4 and "no CPython" in line, line
    other.kill()
    other.wait()


@test
def without_privileges_it_says_which():
    attached.need()
    process, pid = attached.start_gated(pythons.debian(), attached.program("sleeps.py"))
    outcome = watch.run(["/usr/bin/setpriv", "--reuid", "65534", "--clear-groups",
                         paths.LOOPHOUND, "attach", "--no-inject", str(pid)])
    assert outcome.status == 4, outcome.text()
    assert b"CAP_BPF" in outcome.stderr, outcome.text()
    attached.go(process)
    attached.finish(process, [])


@test
def process_of_another_pid_namespace_is_watched():
    attached.need()
    path = attached.program("sleeps.py")
    python = pythons.debian()
    report = watch.report_path()
    process = attached.start(["/usr/bin/unshare", "--pid", "--fork", "--mount-proc",
                              *python.argv, attached.GATE, path])
    line = process.stdout.readline().split()
    assert line == [b"ready", b"1"], line
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
        pid = int(file.read().split()[0])
    loophound = attached.start_attach(pid, (), report)
    attached.go(process)
    seen = attached.finish(process, [path])
    attached.finish(loophound, ["attach"])
    assert seen.status == 0, seen.text()
    told = Report.load(report)
    told.assert_counts(path)
    assert [one["pid"] for one in told.processes] == [pid], told.brief()


CONTAINER = """
mount -t tmpfs none "$ROOT" && cd "$ROOT" && mkdir app usr proc tmp && mount --rbind /usr usr &&
ln -s usr/bin usr/lib usr/lib64 . && mount -t proc proc proc && cp "$@" app && exec chroot . \
/usr/bin/python3 app/gate.py /app/naps.py
"""


@test
def container_is_watched_by_its_own_files():
    """Other mounts, another root, other numbers: its program is where we have none."""
    attached.need()
    path = attached.program("naps.py")
    report = watch.report_path()
    process = attached.start(
        ["/usr/bin/env", f"ROOT={os.path.dirname(report)}", "/usr/bin/unshare", "--mount", "--pid",
         "--fork", "/bin/sh", "-c", CONTAINER, "sh", attached.GATE, path])
    line = process.stdout.readline().split()
    assert line == [b"ready", b"1"], (line, process.stderr.read())
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
        pid = int(file.read().split()[0])
    loophound = attached.start_attach(pid, (), report)
    attached.go(process)
    seen = attached.finish(process, [path])
    attached.finish(loophound, ["attach"])
    assert seen.status == 0, seen.text()
    found = Report.load(report).one("blocking-call")
    culprit = found["culprit"]
    assert found["count"] == 7, found
    assert (culprit["file"], culprit["module"]) == ("/app/naps.py", "naps"), culprit


def verified_instructions(pid):
    """{name: instructions the verifier went through}, of the programs a process holds."""
    found = {}
    for program, n_verified in attached.program_ids(pid).items():
        found[attached.bpftool("prog", "show", "id", str(program))["name"]] = n_verified
    return found


def attached_programs():
    process, pid = attached.start_gated(pythons.debian(), attached.program("sleeps.py"))
    loophound = attached.start_attach(pid)
    found = verified_instructions(loophound.pid)
    loophound.send_signal(signal.SIGINT)
    attached.finish(loophound, [])
    attached.go(process)
    attached.finish(process, [])
    return found


def programs_beside_the_shim():
    argv = [*pythons.debian().argv, attached.GATE, attached.program("sleeps.py")]
    loophound = attached.start([paths.LOOPHOUND, "run", "--quiet", "--bpf", "on", "--", *argv])
    line = loophound.stdout.readline()
    assert line.startswith(b"ready"), line + loophound.stderr.read()
    found = verified_instructions(loophound.pid)
    attached.go(loophound)
    attached.finish(loophound, [])
    return found


@test
def programs_are_as_easy_to_verify_as_before():
    attached.need()
    with open(os.path.join(os.path.dirname(attached.GATE), "verified.toml"), "rb") as file:
        stored = tomllib.load(file)["instructions"]
    found = attached_programs() | programs_beside_the_shim()
    runner.note(f"verified instructions: {found}")
    assert found.keys() == stored.keys(), found
    for name, count in found.items():
        assert count <= stored[name] * 1.25, (name, count, stored[name])


@test
def doctor_knows_that_it_works():
    attached.need()
    outcome = watch.run([paths.LOOPHOUND, "doctor", "--json"])
    told = json.loads(outcome.stdout)
    states = {check["name"]: check["state"] for check in told["checks"]}
    assert told["schema"] == "loophound.doctor/1"
    assert states["probes"] == states["btf"] == states["CAP_BPF"] == "ok", states
    poor = watch.run(["/usr/bin/setpriv", "--reuid", "65534", "--clear-groups",
                      paths.LOOPHOUND, "doctor"])
    assert poor.status == 4 and b"To mend it: sudo" in poor.stdout, poor.text()


runner.main(__name__)
