# SPDX-License-Identifier: Apache-2.0
"""Attached: run a program and watch it from the kernel, from outside.

The program waits behind gate.py until `loophound attach --no-inject` says that it watches.
"""
import json
import os
import select
import signal
import subprocess
import time

from lib import paths, runner, watch
from lib.report import Report

GATE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "gate.py")
PROGRAMS = os.path.join(os.path.dirname(GATE), "programs")
BTF = "/sys/kernel/btf/vmlinux"
DEADLINE_S = 20


def program(name):
    return os.path.join(PROGRAMS, name)


def need():
    """Skips where a kernel cannot be probed by us."""
    if os.geteuid() != 0:
        runner.skip("probing the kernel takes root")
    if not os.path.exists(BTF):
        runner.skip(f"this kernel has no {BTF}")
    if not os.path.exists(os.path.join(paths.BUILD, "bpf", "loops.skel.h")):
        runner.need_package("clang, bpftool or libbpf-dev", False)


def _default_interrupt():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(argv, **keywords):
    """A program of ours in a clean environment."""
    return subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=watch.clean_env(), preexec_fn=_default_interrupt, **keywords,
    )


def start_gated(python, path, *arguments):
    """Returns the process, which waits, and its pid as it says itself."""
    process = start([*python.argv, GATE, path, *arguments])
    line = process.stdout.readline().split()
    assert line[:1] == [b"ready"], (line, process.stderr.read())
    return process, int(line[1])


def start_attach(pid, options=(), report=None):
    """Returns loophound, once it watches."""
    argv = [paths.LOOPHOUND, "attach", "--no-inject", *options]
    if report:
        argv += ["--report", report]
    process = start([*argv, str(pid)])
    line = process.stderr.readline()
    assert b"watching pid" in line, line + process.stderr.read()
    return process


def go(process):
    process.stdin.write(b"\n")
    process.stdin.flush()


def wait_for(claim, what):
    """Asks until it holds; there is nothing to be woken by. what() says what does not."""
    until = time.monotonic() + DEADLINE_S
    while not claim():
        assert time.monotonic() < until, f"not within {DEADLINE_S} s: {what()}"
        select.select([], [], [], 0.005)


def pass_ms(ms):
    """Where the length of a time is what is tested."""
    select.select([], [], [], ms / 1000)


def state_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


def bpftool(*words):
    shown = subprocess.run(["/usr/sbin/bpftool", "-j", *words], stdout=subprocess.PIPE, check=True)
    return json.loads(shown.stdout)


def descriptors(pid):
    """What the kernel tells of each; one may be closed meanwhile."""
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{fd}") as file:
                yield dict(line.split(":", 1) for line in file if ":" in line)
        except FileNotFoundError:
            pass


def program_ids(pid):
    found = {}
    for words in descriptors(pid):
        if "prog_id" in words and "verified_insns" in words:
            found[int(words["prog_id"])] = int(words["verified_insns"])
    return found


def finish(process, argv, timeout=watch.TIMEOUT_S):
    stdout, stderr = process.communicate(timeout=timeout)
    return watch.Outcome(argv, watch.shell_status(process.returncode), stdout, stderr)


def attached(python, path, *arguments, options=()):
    """Runs it to its end, watched from outside. Returns the program's outcome and loophound's."""
    report = watch.report_path()
    process, pid = start_gated(python, path, *arguments)
    loophound = start_attach(pid, options, report)
    go(process)
    seen = finish(process, [path, *arguments])
    told = finish(loophound, ["loophound", "attach"])
    assert seen.status == 0, seen.text()
    assert os.path.exists(report), told.text()
    told.report = Report.load(report)
    return seen, told
