# SPDX-License-Identifier: Apache-2.0
"""Privilege: what an ordinary user with these capabilities may do, what is missing, and what is in the way."""
import setup  # noqa: F401
import json
import os
import re

import attached
from lib import paths, pythons, runner, watch
from lib.report import Report
from lib.runner import test

OURS, OTHERS = 1201, 1202
NAPS = attached.program("naps.py")


def as_user(user, *capabilities):
    """A command before a command: run as a user who has these capabilities, and can get no others."""
    which = "-all" + "".join(",+" + one for one in capabilities)
    return ["/usr/bin/setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups",
            "--inh-caps", which, "--ambient-caps", which, "--bounding-set", which]


def start_naps(user):
    argv = [*as_user(user), *pythons.debian().argv, attached.GATE, NAPS]
    process = attached.start(argv)
    line = process.stdout.readline().split()
    assert line[:1] == [b"ready"], (line, process.stderr.read())
    return process, int(line[1])


def start_attach(before, pid):
    argv = ["/usr/bin/env", "HOME=/", *before, paths.LOOPHOUND, "attach", "--no-inject", "--json", str(pid)]
    loophound = attached.start(argv)
    line = loophound.stderr.readline()
    assert b"watching pid" in line, line + loophound.stderr.read()
    return loophound


def seen_by(before, user):
    """Watches a program of that user to its end."""
    attached.need()
    process, pid = start_naps(user)
    loophound = start_attach(before, pid)
    attached.go(process)
    assert attached.finish(process, [NAPS]).status == 0
    told = attached.finish(loophound, ["attach"])
    return Report(json.loads(told.stderr))


@test
def user_with_three_capabilities_watches_everybody():
    told = seen_by(as_user(OURS, "bpf", "perfmon", "sys_ptrace"), OTHERS)
    told.assert_counts(NAPS)
    assert not told.lost(), told.lost()


@test
def user_with_two_watches_what_is_his_own():
    if os.path.exists("/proc/sys/kernel/yama/ptrace_scope"):
        with open("/proc/sys/kernel/yama/ptrace_scope") as file:
            if file.read().strip() != "0":
                runner.skip("here one's own processes may not be read either (ptrace_scope)")
    told = seen_by(as_user(OURS, "bpf", "perfmon"), OURS)
    told.assert_counts(NAPS)


@test
def user_with_two_has_exact_causes_in_run():
    attached.need()
    argv = watch.run_argv([*pythons.debian().argv, NAPS], None, ["--json", "--bpf", "on"], False)
    outcome = watch.run([*as_user(OURS, "bpf", "perfmon"), *argv], env={"HOME": "/"})
    assert outcome.status == 0, outcome.text()
    told = Report(json.loads(outcome.stderr))
    told.assert_counts(NAPS)
    assert told.one("blocking-call")["cause"]["blocked_ns"] > 300e6, told.brief()


def complaint(before, pid=1):
    """The one line that attach has to say, and its status."""
    outcome = watch.run([*before, paths.LOOPHOUND, "attach", "--no-inject", str(pid)],
                        env={"HOME": "/"})
    lines = outcome.stderr.decode().splitlines()
    assert outcome.status == 4 and len(lines) == 1, outcome.text()
    return lines[0]


MISSING = {
    (): "CAP_BPF and CAP_PERFMON",
    ("bpf", "sys_ptrace"): "capability CAP_PERFMON",
    ("perfmon", "sys_ptrace"): "capability CAP_BPF",
    ("bpf", "perfmon"): "capability CAP_SYS_PTRACE",
}


@test(each=sorted(MISSING))
def what_is_missing_is_named(capabilities):
    attached.need()
    process, pid = start_naps(OTHERS)
    line = complaint(as_user(OURS, *capabilities), pid)
    assert MISSING[capabilities] in line, line
    attached.go(process)
    attached.finish(process, [])


# CAP_DAC_OVERRIDE 1, CAP_DAC_READ_SEARCH 2, CAP_SYS_PTRACE 19, CAP_BPF 39.
WATCHING = 1 << 2 | 1 << 19 | 1 << 39
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def privileges(text):
    words = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {name: int(words[name], 16) for name in (*SETS, "NoNewPrivs")}


def assert_given_up(pid, allowed=WATCHING):
    """By each of its threads: capabilities are a thread's own."""
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/status") as file:
            found = privileges(file.read())
        assert found["CapEff"] == allowed and found["NoNewPrivs"] == 1, found
        assert not any(found[name] & ~allowed for name in SETS), found


@test
def all_else_is_given_up():
    attached.need()
    process, pid = start_naps(OTHERS)
    loophound = start_attach([], pid)
    assert_given_up(loophound.pid)
    attached.go(process)
    assert attached.finish(process, [NAPS]).status == 0
    Report(json.loads(attached.finish(loophound, ["attach"]).stderr)).assert_counts(NAPS)


@test
def baseline_in_anothers_folder_is_written_at_the_end():
    """It takes the place of the old one, in a folder in which only root may do so without owning it."""
    attached.need()
    folder = os.path.dirname(watch.report_path())
    os.chown(folder, OTHERS, OTHERS)
    baseline = os.path.join(folder, "baseline.json")
    process, pid = start_naps(OTHERS)
    loophound = attached.start_attach(
        pid, ["--baseline", baseline, "--update-baseline", "--accept-new"])
    assert_given_up(loophound.pid, WATCHING | 1 << 1)
    attached.go(process)
    attached.finish(process, [NAPS])
    told = attached.finish(loophound, ["attach"])
    assert told.status == 0, told.text()
    assert b"1 accepted" in told.stderr and os.path.getsize(baseline), told.text()


@test(each=["off", "on"])
def daemon_gives_up_all_else_and_watches_others(bpf):
    """Native frames too, for which it stops a thread of another user's process."""
    attached.need()
    path = attached.program("natives.py")
    folder = os.path.dirname(watch.report_path())
    for one in folder, os.environ["TMPDIR"]:
        os.chmod(one, 0o755)
    socket = os.path.join(folder, "socket")
    daemon = attached.start([paths.LOOPHOUNDD, "--bpf", bpf, "--native", "--socket", socket])
    line = daemon.stderr.readline()
    assert b"listening" in line, line + daemon.stderr.read()
    preload = ["/usr/bin/env", f"LD_PRELOAD={paths.SHIM}", f"LOOPHOUND_SOCKET={socket}",
               "LOOPHOUND_OPTIONS=native"]
    seen = watch.run([*as_user(OTHERS), *preload, *pythons.debian().argv, path])
    assert seen.status == 0, seen.text()
    asked = watch.run([paths.LOOPHOUND, "report", "--socket", socket, "--json"])
    # CAP_SYS_NICE 23: a thread that stops others must not wait for a CPU.
    assert_given_up(daemon.pid, WATCHING | 1 << 23)
    nices = sorted(os.getpriority(os.PRIO_PROCESS, int(tid))
                   for tid in os.listdir(f"/proc/{daemon.pid}/task"))
    daemon.terminate()
    daemon.communicate()
    told = Report(json.loads(asked.stdout))
    told.assert_counts(path)
    assert len(nices) == 2 and nices[0] < 0, f"nothing was stopped for its native frames: {nices}"
    found = told.one("slow-callback")
    kinds = {frame["kind"] for stack in found["stacks"] for frame in stack["frames"]}
    assert kinds == {"native", "python"}, found
    known = told.one("blocking-call")["cause"]["blocked_ns"]
    assert (known is not None) == (bpf == "on"), told.brief()


@test(each=["root", "user"])
def program_keeps_its_own(who):
    """What run gives up or keeps is run's; the program starts as it would without."""
    attached.need()
    before = [] if who == "root" else as_user(OURS, "bpf", "perfmon", "net_bind_service")
    status = ["/bin/cat", "/proc/self/status"]
    plain = watch.run([*before, *status], env={"HOME": "/"})
    argv = watch.run_argv(status, None, ["--bpf", "on", "--quiet"], False)
    watched = watch.run([*before, *argv], env={"HOME": "/"})
    assert plain.status == watched.status == 0, watched.text()
    expected, found = (privileges(one.stdout.decode()) for one in (plain, watched))
    assert found == expected and found["CapEff"], (found, expected)


# A shell before a command, in which /sys is another one.
HIDDEN = "mount -t tmpfs none /sys/kernel/btf"
LOCKED = 'mount -t tmpfs none /sys/kernel/security && ' \
    'echo "none integrity [confidentiality]" >/sys/kernel/security/lockdown'


def where(command):
    return ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", f'{command} && exec "$@"', "sh"]


@test
def old_kernel_is_one_line():
    attached.need()
    line = complaint(["/usr/bin/setarch", "--uname-2.6"])
    assert "Linux 5.17 or later" in line and "this is 2.6." in line, line


@test
def kernel_that_does_not_describe_itself_is_one_line():
    attached.need()
    line = complaint(where(HIDDEN))
    assert "/sys/kernel/btf/vmlinux" in line, line


def doctor(before):
    outcome = watch.run([*before, paths.LOOPHOUND, "doctor", "--json"])
    return outcome.status, {one["name"]: one for one in json.loads(outcome.stdout)["checks"]}


@test
def doctor_says_what_the_kernel_lacks():
    attached.need()
    for before, name, said in ((where(HIDDEN), "btf", "CONFIG_DEBUG_INFO_BTF"),
                               (["/usr/bin/setarch", "--uname-2.6"], "kernel", "Linux 5.17")):
        status, checks = doctor(before)
        assert status == 4, checks
        assert checks[name]["state"] == checks["probes"]["state"] == "missing", checks
        assert said in checks[name]["effect"], checks
        assert checks["shim"]["state"] == "ok", checks


def helpers_of(pid):
    """{(program, type): what of the kernel's it calls}."""
    found = {}
    for number in attached.program_ids(pid):
        shown = attached.bpftool("prog", "show", "id", str(number))
        dumped = json.dumps(attached.bpftool("prog", "dump", "xlated", "id", str(number)))
        found[shown["name"], shown["type"]] = set(re.findall(r"call (bpf_\w+)#", dumped))
    return found


@test
def lockdown_refuses_nothing_of_ours():
    """It cannot be tried: a kernel that was locked stays so. What it refuses (security/lockdown) are
    these helpers and all kprobes; bpf_probe_read_user() it lets be."""
    attached.need()
    process, pid = start_naps(OTHERS)
    loophound = start_attach(where(LOCKED), pid)
    found = helpers_of(loophound.pid)
    attached.go(process)
    attached.finish(process, [NAPS])
    Report(json.loads(attached.finish(loophound, ["attach"]).stderr)).assert_counts(NAPS)
    called = set().union(*found.values())
    assert "bpf_probe_read_user" in called and "bpf_ktime_get_ns" in called, called
    assert not called & {"bpf_probe_read", "bpf_probe_read_str", "bpf_probe_read_kernel",
                         "bpf_probe_read_kernel_str", "bpf_probe_write_user"}, found
    assert {kind for _, kind in found} == {"tracing"}, found
    status, checks = doctor(where(LOCKED))
    assert status == 0 and checks["probes"]["state"] == "ok", checks
    assert "[confidentiality]" in checks["lockdown"]["found"], checks


@test
def doctor_says_which_and_what_works_without():
    attached.need()
    outcome = watch.run([*as_user(OURS, "bpf"), paths.LOOPHOUND, "doctor", "--json"],
                        env={"HOME": "/"})
    checks = {check["name"]: check for check in json.loads(outcome.stdout)["checks"]}
    assert outcome.status == 4, outcome.text()
    assert checks["CAP_BPF"]["state"] == "ok", checks
    for name in "CAP_PERFMON", "CAP_SYS_PTRACE", "probes":
        assert checks[name]["state"] == "missing" and checks[name]["effect"], checks[name]
    assert "run works" in checks["CAP_PERFMON"]["effect"], checks
    assert "CAP_PERFMON" in checks["probes"]["found"], checks


runner.main(__name__)
