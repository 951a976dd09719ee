# SPDX-License-Identifier: Apache-2.0
"""What users get wrong, and what the world does to `loophound run`."""
import setup  # noqa: F401
import json
import os
import pty
import select
import signal
import subprocess
import tempfile
import time

from lib import paths, pythons, runner, watch
from lib.report import Report, mark_line
from lib.runner import skip, test

BLOCKS = paths.program("blocks.py")


def loophound(*arguments, **keywords):
    return watch.run([paths.LOOPHOUND, *arguments], **keywords)


def folder():
    return tempfile.mkdtemp(prefix="bad-input-")


def assert_one_line(outcome, *words):
    """One line on stderr that begins with the program's name and says each of these."""
    lines = outcome.stderr.decode().splitlines()
    assert len(lines) == 1 and lines[0].startswith("loophound"), outcome.text()
    for word in words:
        assert word in lines[0], outcome.text()


@test
def command_not_found_is_127():
    outcome = loophound("run", "--", "no-such-command-of-anybodys")
    assert outcome.status == 127, outcome.text()
    assert_one_line(outcome, "no-such-command-of-anybodys")


@test
def path_not_found_is_127():
    assert loophound("run", "--", "/no/such/command").status == 127


@test
def command_not_executable_is_126():
    path = os.path.join(folder(), "plain")
    with open(path, "w") as file:
        file.write("#!/bin/sh\n")
    outcome = loophound("run", "--", path)
    assert outcome.status == 126, outcome.text()
    assert_one_line(outcome, path)


@test
def command_that_is_a_folder_is_126():
    assert loophound("run", "--", "/tmp").status == 126


@test
def not_python_runs_and_nothing_watched_is_said():
    outcome = watch.watched(["/bin/echo", "hello"], quiet=False)
    assert outcome.status == 0 and outcome.stdout == b"hello\n", outcome.text()
    assert b"nothing was watched" in outcome.stderr, outcome.text()
    assert not outcome.report.findings and not outcome.report.loops


@test
def not_python_keeps_its_status():
    assert watch.watched(["/bin/sh", "-c", "exit 9"]).status == 9


@test
def not_python_killed_keeps_its_signal():
    assert watch.watched(["/bin/sh", "-c", "kill -TERM $$"]).status == 128 + signal.SIGTERM


@test
def not_python_with_a_gate_is_4():
    outcome = watch.watched(["/bin/true"], ["--fail-on", "any"])
    assert outcome.status == 4, outcome.text()


@test
def not_python_that_fails_keeps_its_status_with_a_gate():
    assert watch.watched(["/bin/sh", "-c", "exit 9"], ["--fail-on", "any"]).status == 9


@test
def python_without_a_loop_is_said():
    outcome = watch.watched([*pythons.debian().argv, "-c", "print(6 * 7)"], quiet=False)
    assert outcome.status == 0 and outcome.stdout == b"42\n", outcome.text()
    assert b"no loop" in outcome.stderr or b"nothing was watched" in outcome.stderr, outcome.text()


@test
def broken_gate_is_3_and_kept_gate_is_0():
    argv = [*pythons.debian().argv, BLOCKS, "7"]
    outcome = watch.watched(argv, ["--fail-on", "blocking-call"])
    assert outcome.status == 3, outcome.text()
    gate, = outcome.report.raw["gates"]
    assert gate["expr"] == "blocking-call" and gate["ok"] is False, gate
    assert watch.watched(argv, ["--fail-on", "slow-callback"]).status == 0


def allow_list(text):
    path = os.path.join(folder(), "allow.txt")
    with open(path, "w") as file:
        file.write(text)
    return path


TWO_WAYS = paths.program("two_ways.py")


@test
def allowed_finding_stays_and_breaks_no_gate():
    allow = allow_list("[fetch is a test of ours]\nfunction = fetch\nfile = two_ways.py\n"
                       "[nobody does this]\ncall = flock\n"
                       "[this was long ago]\nkind = blocking-call\nuntil = 2025-01-31\n")
    outcome = watch.watched([*pythons.debian().argv, TWO_WAYS],
                            ["--allow", allow, "--fail-on", "any"], quiet=False)
    assert outcome.status == 0, outcome.text()
    text = outcome.stderr.decode()
    assert "allowed: fetch is a test of ours" in text, text
    assert "allow.txt:4 matched nothing: nobody does this" in text, text
    assert "allow.txt:6 is past its day: this was long ago" in text, text
    raw = outcome.report.raw
    finding, = raw["findings"]
    assert (finding["count"], finding["allowed_by"]) == (12, "fetch is a test of ours"), finding
    assert [(each["findings"], each["expired"]) for each in raw["allow"]] == [
        (1, False), (0, False), (0, True)], raw["allow"]


@test
def allow_list_for_another_line_keeps_the_gate_broken():
    allow = allow_list("[only this one]\nfunction = other_function\n")
    outcome = loophound("run", "--allow", allow, "--fail-on", "any", "--",
                        *pythons.debian().argv, TWO_WAYS)
    assert outcome.status == 3, outcome.text()


@test(each=["missing", "folder", "garbage", "everything"])
def allow_list_that_cannot_be_read_is_said_before_the_command_starts(what):
    path, word = {
        "missing": ("/no/such/list", "No such file"),
        "folder": ("/tmp", "directory"),
        "garbage": (allow_list("[why]\ncall = poll\nwhat is this\n"), "line 3"),
        "everything": (allow_list("[why]\n"), "line 1"),
    }[what]
    outcome = loophound("run", "--allow", path, "--", "touch", "/tmp/never")
    assert outcome.status == 2, outcome.text()
    assert_one_line(outcome, path, word)


@test
def gate_on_a_kind_switched_off_is_2():
    for options in (
        ["--no-detect", "blocking-call", "--fail-on", "blocking-call"],
        ["--fail-on", "blocking-call>1s", "--no-detect", "stuck,blocking-call"],
        ["--detect", "slow-callback", "--fail-on", "blocking-call:count>3"],
        ["--fail-on", "never-awaited", "--detect", "slow-callback"],
        ["--detect", "stuck", "--no-detect", "stuck", "--fail-on", "any"],
    ):
        outcome = loophound("run", *options, "--", "/bin/true")
        assert outcome.status == 2, outcome.text()
        assert_one_line(outcome, "--fail-on", "switched off")
    options = ["--no-detect", "blocking-call", "--fail-on", "any", "--fail-on", "lag-p99>50ms"]
    assert loophound("run", *options, "--", "/bin/true").status == 4


@test
def gate_on_what_only_strict_finds_is_2():
    for kind in ("unreferenced-task", "gather-exceptions-ignored", "swallowed-exception"):
        for expr in (kind, kind + ":count>3"):
            outcome = loophound("run", "--fail-on", expr, "--", "/bin/true")
            assert outcome.status == 2, outcome.text()
            assert_one_line(outcome, "--fail-on", kind, "--strict")
        assert loophound("run", "--strict", "--fail-on", kind, "--", "/bin/true").status == 4


@test
def report_gate_on_what_only_strict_finds_is_broken():
    argv = [*pythons.debian().argv, "-c", "import asyncio; asyncio.run(asyncio.sleep(0))"]
    gate = ["report", "--quiet", "--fail-on", "gather-exceptions-ignored"]
    for suffix in (".json", ".lhr"):
        timed, strict = (os.path.join(folder(), name + suffix) for name in ("timed", "strict"))
        assert loophound("run", "--fail-on", "any", "--report", timed, "--", *argv).status == 0
        assert loophound("run", "--strict", "--report", strict, "--", *argv).status == 0
        outcome = loophound(*gate, strict)
        assert outcome.status == 0, outcome.text()
        for files in ([timed], [strict, timed], [timed, strict]):
            outcome = loophound(*gate, *files)
            assert outcome.status == 3, outcome.text()
            assert_one_line(outcome, "could not be checked", "--strict")


@test
def doctor_counts_no_python_that_is_too_old():
    where = folder()
    for name in ("python3.6", "python3.7", "python3.8", "python3.13t"):
        with open(os.path.join(where, name), "w") as file:
            file.write("#!/bin/sh\n")
        os.chmod(file.name, 0o755)
    os.symlink("python3.7", os.path.join(where, "python3"))
    told = json.loads(loophound("doctor", "--json", env={"PATH": where}).stdout)
    assert [os.path.basename(path) for path in told["pythons"]] == ["python3.13t", "python3.8"], told
    found, = (check["found"] for check in told["checks"] if check["name"] == "pythons")
    assert found == "2 on PATH, and 3 older than 3.8", found
    for name in ("python3.8", "python3.13t"):
        os.unlink(os.path.join(where, name))
    told = json.loads(loophound("doctor", "--json", env={"PATH": where}).stdout)
    state, = (check["state"] for check in told["checks"] if check["name"] == "pythons")
    assert state == "missing" and not told["pythons"], told


@test
def explain_has_no_heading_over_nothing():
    lines = loophound("explain").stdout.decode().splitlines()
    assert "Kinds of finding:" in lines, lines
    for heading, below in zip(lines, lines[1:] + [""]):
        assert not heading.endswith(":") or below.strip(), lines


@test
def failing_program_keeps_its_status_with_a_broken_gate():
    argv = [*pythons.debian().argv, BLOCKS, "7", "5"]
    assert watch.watched(argv, ["--fail-on", "any"]).status == 5


def compile_c(path, text, *options):
    source = path + ".c"
    with open(source, "w") as file:
        file.write(text)
    result = subprocess.run(
        ["gcc", *options, "-o", path, source], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    if result.returncode != 0:
        runner.need_package(f"gcc or libc6-dev ({result.stdout[-200:]!r})", False)


HELLO = '#include <stdio.h>\n#include <unistd.h>\nint main(void) { printf("%d\\n", geteuid()); }\n'


@test
def static_binary_runs_and_nothing_watched_is_said():
    path = os.path.join(folder(), "static")
    compile_c(path, HELLO, "-static")
    bare = watch.unwatched([path])
    outcome = watch.watched([path], quiet=False)
    assert (outcome.status, outcome.stdout) == (bare.status, bare.stdout), outcome.text()
    assert b"nothing was watched" in outcome.stderr, outcome.text()


@test
def setuid_binary_runs_and_nothing_watched_is_said():
    if os.geteuid() != 0:
        skip("only root can make a program of another user's")
    where = folder()
    os.chmod(where, 0o755)
    os.chmod(os.path.dirname(where), 0o755)
    path = os.path.join(where, "setuid")
    compile_c(path, HELLO)
    os.chown(path, 65534, 65534)
    os.chmod(path, 0o4755)
    bare = watch.unwatched([path])
    if bare.stdout != b"65534\n":
        skip("the temporary folder's file system ignores the setuid bit")
    outcome = watch.watched([path], quiet=False)
    assert (outcome.status, outcome.stdout) == (bare.status, bare.stdout), outcome.text()
    assert b"nothing was watched" in outcome.stderr, outcome.text()


@test(each=["missing-folder", "folder", "proc"])
def unwritable_report_is_said_before_the_command_starts(what):
    where = folder()
    started = os.path.join(where, "started")
    report = {
        "missing-folder": where + "/none/report.json",
        "folder": where + "/folder.json",
        "proc": "/proc/report.json",
    }[what]
    if what == "folder":
        os.mkdir(report)
    outcome = loophound("run", "--report", report, "--", "/usr/bin/touch", started)
    assert outcome.status in (2, 4), outcome.text()
    assert not os.path.exists(started), outcome.text()
    assert_one_line(outcome, report)


@test(each=[
    ["run"], ["run", "--"], ["run", "--no-such-option", "--", "true"], ["no-such-verb"],
    ["run", "--slow-callback", "soon", "--", "true"], ["run", "--fail-on", "no-such-kind", "--", "true"],
    ["run", "--report", "report.unknown", "--", "true"],
], label=" ".join)
def wrong_usage_is_2_in_one_line(arguments):
    outcome = loophound(*arguments, cwd=folder())
    assert outcome.status == 2, outcome.text()
    assert outcome.stdout == b"" and len(outcome.stderr.splitlines()) <= 2, outcome.text()


@test
def without_a_verb_help_is_short():
    outcome = loophound()
    shown = (outcome.stdout + outcome.stderr).decode().splitlines()
    assert 3 <= len(shown) <= 14 and any("loophound run" in line for line in shown), outcome.text()


@test
def two_runs_at_once_do_not_mix():
    reports = [watch.report_path(), watch.report_path()]
    counts = [101, 53]
    processes = [
        subprocess.Popen(
            watch.run_argv([*pythons.debian().argv, BLOCKS, str(count)], report),
            env=watch.clean_env(), stdin=subprocess.DEVNULL,
        )
        for count, report in zip(counts, reports)
    ]
    assert [process.wait(60) for process in processes] == [0, 0]
    line = mark_line(BLOCKS, "blocking-call")
    for count, report in zip(counts, reports):
        found = Report.load(report)
        assert found.counts() == {("blocking-call", line): count}, found.brief()


@test
def one_run_inside_another_does_not_hurt():
    report = watch.report_path()
    inner = watch.run_argv([*pythons.debian().argv, BLOCKS, "7"], report)
    outer = watch.watched(inner)
    assert outer.status == 0, outer.text()
    line = mark_line(BLOCKS, "blocking-call")
    assert Report.load(report).counts() == {("blocking-call", line): 7}


class Terminal:
    """A command on a terminal of its own, whose Ctrl-C can be typed."""

    def __init__(self, argv):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execve(argv[0], argv, watch.clean_env())
        self.seen = b""

    def await_text(self, text, seconds=30):
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0 and self._read(left), f"{text!r} not seen in {self.seen!r}"

    def _read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            chunk = os.read(self.fd, 65536)
        except OSError:
            return False
        self.seen += chunk
        return bool(chunk)

    def type(self, keys):
        os.write(self.fd, keys)

    def status(self, seconds=30):
        deadline = time.monotonic() + seconds
        while self._read(max(0, deadline - time.monotonic())):
            pass
        ended, status = 0, 0
        while not ended:
            assert time.monotonic() < deadline, f"not ended: {self.seen!r}"
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            ended or time.sleep(0.01)
        os.close(self.fd)
        return watch.shell_status(os.waitstatus_to_exitcode(status))


def ctrl_c_program(how, watch_it, report=None):
    argv = [*pythons.debian().argv, paths.program("ctrl_c.py"), how]
    return Terminal(watch.run_argv(argv, report) if watch_it else argv)


@test
def ctrl_c_once_ends_the_command_and_the_report_is_written():
    statuses = []
    for watch_it in (False, True):
        report = watch.report_path()
        terminal = ctrl_c_program("once", watch_it, report)
        terminal.await_text(b"ready")
        terminal.type(b"\x03")
        statuses.append(terminal.status())
    assert statuses[0] == statuses[1] == 128 + signal.SIGINT, statuses
    Report.load(report).assert_counts(paths.program("ctrl_c.py"))


@test
def ctrl_c_twice_is_the_commands_to_answer_and_the_report_is_written():
    report = watch.report_path()
    terminal = ctrl_c_program("twice", True, report)
    terminal.await_text(b"ready")
    terminal.type(b"\x03")
    terminal.await_text(b"heard 1")
    terminal.type(b"\x03")
    terminal.await_text(b"heard 2")
    assert terminal.status() == 7
    Report.load(report).assert_counts(paths.program("ctrl_c.py"))


@test
def ctrl_c_shows_the_report_on_the_terminal():
    argv = [*pythons.debian().argv, paths.program("ctrl_c.py"), "once"]
    terminal = Terminal([paths.LOOPHOUND, "run", "--", *argv])
    terminal.await_text(b"ready")
    terminal.type(b"\x03")
    assert terminal.status() == 128 + signal.SIGINT
    line = mark_line(paths.program("ctrl_c.py"), "blocking-call")
    assert f"ctrl_c.py:{line}".encode() in terminal.seen, terminal.seen


@test
def terminate_ends_the_command_and_the_report_is_written():
    """A supervisor ends loophound by its pid alone, and means the service."""
    report = watch.report_path()
    argv = [*pythons.debian().argv, paths.program("ctrl_c.py"), "once"]
    with subprocess.Popen(
        watch.run_argv(argv, report), stdout=subprocess.PIPE, env=watch.clean_env(),
        process_group=0,
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    Report.load(report).assert_counts(paths.program("ctrl_c.py"))


@test(each=["SIGINT", "SIGTERM"])
def signal_to_the_group_reaches_the_command_once(name):
    """A service manager signals every process of a unit, a shell script its whole group."""
    number = signal.Signals[name]
    argv = [*pythons.debian().argv, paths.program("counts_signals.py")]
    told = []
    for command in (argv, watch.run_argv(argv, watch.report_path())):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, env=watch.clean_env(), process_group=0,
        ) as process:
            assert process.stdout.readline() == b"ready\n"
            os.killpg(process.pid, number)
            told.append((process.stdout.read(), process.wait(30)))
    assert told[0] == told[1] == (f"told ['{name}']\n".encode(), 9), told


@test(each=["SIGINT", "SIGTERM"])
def signal_to_loophound_reaches_the_command_once(name):
    argv = [*pythons.debian().argv, paths.program("counts_signals.py")]
    with subprocess.Popen(
        watch.run_argv(argv, watch.report_path()), stdout=subprocess.PIPE, env=watch.clean_env(),
        process_group=0,
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        os.kill(process.pid, signal.Signals[name])
        told = process.stdout.read(), process.wait(30)
    assert told == (f"told ['{name}']\n".encode(), 9), told


@test
def program_that_closes_every_descriptor_is_watched_on():
    code = (
        "import asyncio, os, time\n"
        "async def main():\n"
        "    time.sleep(0.05)\n"
        "    await asyncio.sleep(0.01)\n"
        "os.closerange(3, 65536)\n"
        "for _ in range(7): asyncio.run(main())\n"
    )
    path = os.path.join(folder(), "closes.py")
    with open(path, "w") as file:
        file.write(code)
    outcome = watch.both([*pythons.debian().argv, path])
    assert outcome.report.counts() == {("blocking-call", 3): 7}, outcome.report.brief()


runner.main(__name__)
