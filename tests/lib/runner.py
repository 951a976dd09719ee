# SPDX-License-Identifier: Apache-2.0
"""Runner: a process for each test, its time limit, its verdict, and nothing left behind.

A test file ends with `runner.main(__name__)` and holds functions marked `@test`. One function is
one claim; it is silent when the claim holds and raises (assert) when not. A test that lacks
something calls `skip` or `need_package`. Where many claims read what one costly run gave, the run is
a `@fixture`: done once, in a process of its own, and what it returns (JSON) is kept for all.

Every test runs in a forked child, which leads a process group and adopts its orphans, so that a
program it forgets, or leaves because it failed, is found, ended and counted as a failure.

    test_x.py              runs all; the last line is `N passed, N failed, N skipped`
    test_x.py NAME…        runs those whose name contains one of NAME
    test_x.py --list       names them
    test_x.py --here NAME  runs it in this process, for a debugger

A file whose tests compare what programs do, and not how long they take, may say how many of them
run at a time: `runner.main(__name__, at_once=4)`. Most of what they do is to wait. One that measures
all the same is marked `@test(alone=True)` and runs when the others are done.

With CI=true a skip for want of something that can be installed is a failure.
LOOPHOUND_TEST_QUICK=1 shortens what only gains by length; LOOPHOUND_TEST_KEEP=1 keeps the tests'
temporary folders.
"""
import ctypes
import fnmatch
import inspect
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback

TIMEOUT_S = 120
# How long a child may take to end after it was told to, before it is killed.
GRACE_S = 10
PR_SET_CHILD_SUBREAPER = 36
# Of what a failed test wrote, in characters; a packet of twice as many bytes holds it.
MAX_TOLD = 60000

_tests = []
_fixtures = {}
_notes = []


class Skip(Exception):
    def __init__(self, reason, installable=False):
        super().__init__(reason)
        self.installable = installable


class TimedOut(BaseException):
    """Not an Exception, so that no test swallows it."""


def skip(reason):
    """For want of what cannot be installed: a kernel, root, another architecture."""
    raise Skip(reason)


def need_package(package, have):
    """For want of what a Debian package gives."""
    if not have:
        raise Skip(f"the Debian package {package} is not installed", installable=True)


def note(text):
    """A figure that belongs beside the verdict, also of a test that passes."""
    _notes.append(text)


def quick():
    return os.environ.get("LOOPHOUND_TEST_QUICK") == "1"


def in_ci():
    return os.environ.get("CI") == "true"


def test(function=None, *, each=None, label=str, timeout=TIMEOUT_S, alone=False):
    """Marks a test. With `each` (a list, or a function giving one) it is a test for every item."""

    def mark(wrapped):
        _tests.append((wrapped, each, label, timeout, alone))
        return wrapped

    return mark(function) if function else mark


def fixture(function=None, *, timeout=TIMEOUT_S):
    """Marks what is done once and read by many tests; must return what JSON can hold."""

    def mark(wrapped):
        def call(*arguments):
            key = (wrapped.__name__, json.dumps(arguments, default=str))
            if key not in _fixtures:
                # Only reached with --here: main() makes fixtures before it forks a test.
                _fixtures[key] = ("ok", wrapped(*arguments))
            kind, value = _fixtures[key]
            if kind == "ok":
                return value
            if kind == "skip":
                raise Skip(value[0], value[1])
            raise AssertionError(f"{wrapped.__name__} failed, on which this test rests:\n{value}")

        call.wrapped = wrapped
        call.timeout = timeout
        call.is_fixture = True
        return call

    return mark(function) if function else mark


class Case:
    def __init__(self, function, arguments, name, timeout, alone):
        self.function = function
        self.arguments = arguments
        self.name = name
        self.timeout = timeout
        self.alone = alone

    def fixtures(self):
        """A test names its fixture as the default of a parameter: def t(server, run=run_of)."""
        signature = inspect.signature(self.function)
        return {
            name: parameter.default
            for name, parameter in signature.parameters.items()
            if getattr(parameter.default, "is_fixture", False)
        }


def _cases():
    for function, each, label, timeout, alone in _tests:
        if each is None:
            yield Case(function, (), function.__name__, timeout, alone)
            continue
        for item in each() if callable(each) else each:
            yield Case(function, (item,), f"{function.__name__}[{label(item)}]", timeout, alone)


def _children(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += [int(word) for word in file.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass  # a thread that has ended meanwhile; its children are another's then
    return found


def _command(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "?"


def _is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def _sweep():
    """Ends what the test left running: its own descendants only. Returns their command lines."""
    left = []
    # Killing one hands its children to us, so look again until there is none.
    for _ in range(100):
        children = _children(os.getpid())
        if not children:
            break
        for pid in children:
            if not _is_zombie(pid):
                left.append(f"{pid} {_command(pid)}")
                os.kill(pid, signal.SIGKILL)
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                pass
    return left


def _on_term(*_):
    raise TimedOut("the time limit was reached")


def _child(function, arguments, result_path):
    """In the forked process: run, sweep, write the verdict, never return."""
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, _on_term)
    verdict = {"kind": "ok", "value": None, "text": ""}
    descriptors = sorted(os.listdir("/proc/self/fd"))
    try:
        verdict["value"] = function(*arguments)
    except Skip as reason:
        verdict = {"kind": "skip", "value": [str(reason), reason.installable], "text": str(reason)}
    except (Exception, TimedOut):
        verdict = {"kind": "fail", "value": None, "text": traceback.format_exc()}
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    left = _sweep()
    if left and verdict["kind"] == "ok":
        verdict = {"kind": "fail", "value": None,
                   "text": "left running: " + "; ".join(left) + "\n"}
    if verdict["kind"] == "ok" and len(os.listdir("/proc/self/fd")) > len(descriptors):
        verdict = {"kind": "fail", "value": None, "text": "left descriptors open\n"}
    verdict["notes"] = _notes
    with open(result_path, "w") as file:
        json.dump(verdict, file)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _wait(pid, seconds):
    """Waits for a child with a deadline, by its pidfd."""
    pidfd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(seconds * 1000):
            return False
        os.waitpid(pid, 0)
        return True
    finally:
        os.close(pidfd)


def _run_apart(function, arguments, timeout):
    """Runs it in a child; returns (verdict, what it wrote)."""
    folder = tempfile.mkdtemp(prefix="loophound-test-")
    try:
        result_path = os.path.join(folder, "verdict")
        output_path = os.path.join(folder, "output")
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            try:
                with open(output_path, "wb") as output:
                    os.dup2(output.fileno(), 1)
                    os.dup2(output.fileno(), 2)
                os.environ["TMPDIR"] = folder
                tempfile.tempdir = folder
                _child(function, arguments, result_path)
            finally:
                os._exit(70)
        try:
            if not _wait(pid, timeout):
                os.kill(pid, signal.SIGTERM)
                if not _wait(pid, GRACE_S):
                    os.killpg(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
        except KeyboardInterrupt:
            os.kill(pid, signal.SIGTERM)
            if not _wait(pid, GRACE_S):
                os.killpg(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            raise
        # What a test that had to be killed left is ours now.
        _sweep()
        try:
            with open(result_path) as file:
                verdict = json.load(file)
        except (OSError, ValueError):
            verdict = {"kind": "fail", "value": None, "text": "the test's own process died\n"}
        with open(output_path, errors="replace") as file:
            return verdict, file.read()
    finally:
        if os.environ.get("LOOPHOUND_TEST_KEEP") != "1":
            shutil.rmtree(folder, ignore_errors=True)


def _make_fixture(name, made, arguments):
    key = (made.wrapped.__name__, json.dumps(arguments, default=str))
    if key in _fixtures:
        return
    started = time.monotonic()
    verdict, output = _run_apart(made.wrapped, arguments, made.timeout)
    seconds = time.monotonic() - started
    label = f"{made.wrapped.__name__}({', '.join(map(str, arguments))})"
    print(f"    made {label} in {seconds:.1f} s: {verdict['kind']}", flush=True)
    if verdict["kind"] == "fail":
        _fixtures[key] = ("fail", verdict["text"] + output)
    else:
        _fixtures[key] = (verdict["kind"], verdict["value"])


def _run_case(case):
    keywords = case.fixtures()
    for name, made in keywords.items():
        _make_fixture(name, made, case.arguments)
    started = time.monotonic()

    def body():
        case.function(*case.arguments, **{
            name: made(*case.arguments) for name, made in keywords.items()
        })

    verdict, output = _run_apart(body, (), case.timeout)
    return _told(case, verdict, output, time.monotonic() - started)


def _told(case, verdict, output, seconds):
    """(kind, what to print) of a test that has been run."""
    kind, text = verdict["kind"], verdict["text"]
    if kind == "skip" and verdict["value"][1] and in_ci():
        kind, text = "fail", f"skips are failures here: {text}\n"
    if kind == "ok":
        lines = [f"ok      {case.name} ({seconds:.1f} s)"]
    elif kind == "skip":
        lines = [f"skip    {case.name}: {text}"]
    else:
        lines = [f"FAILED  {case.name} ({seconds:.1f} s)"]
        lines += ["        | " + line for line in (text + output).rstrip().splitlines()]
    lines += ["        = " + line for line in verdict.get("notes", ())]
    return kind, "\n".join(lines)


def _serve(cases, link):
    """In a worker: runs the tests whose numbers it is sent, until there are no more."""
    while number := link.recv(16):
        kind, text = _run_case(cases[int(number)])
        link.send(json.dumps([kind, text[:MAX_TOLD]]).encode())


def _start_worker(cases, others):
    """A worker must not hold the links of others, or these never see their end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sys.stdout.flush()
    if os.fork() == 0:
        try:
            for link in [*others, ours]:
                link.close()
            _serve(cases, theirs)
        finally:
            os._exit(0)
    theirs.close()
    return ours


def _run_side_by_side(cases, n_workers):
    """Yields (kind, text) of each test as it ends."""
    links = []
    for _ in range(min(n_workers, len(cases))):
        links.append(_start_worker(cases, links))
    waiting = list(range(len(cases)))
    for link in links:
        link.send(str(waiting.pop(0)).encode())
    while links:
        for link in select.select(links, [], [])[0]:
            answer = link.recv(2 * MAX_TOLD)
            yield json.loads(answer) if answer else ("fail", "FAILED  a worker process died")
            if answer and waiting:
                link.send(str(waiting.pop(0)).encode())
                continue
            links.remove(link)
            link.close()
            os.wait()
    for number in waiting:
        yield "fail", f"FAILED  {cases[number].name}: no worker was left to run it"


def _run_all(cases, at_once):
    beside = [case for case in cases if not case.alone] if at_once > 1 else []
    if beside:
        yield from _run_side_by_side(beside, at_once)
    for case in cases:
        if case not in beside:
            yield _run_case(case)


def _chosen(patterns):
    cases = list(_cases())
    if not patterns:
        return cases
    return [
        case for case in cases
        if any(p == case.name or p in case.name or fnmatch.fnmatch(case.name, p) for p in patterns)
    ]


def main(module_name, at_once=1):
    if module_name != "__main__":
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    arguments = sys.argv[1:]
    if arguments[:1] == ["--list"]:
        for case in _cases():
            print(case.name)
        return
    here = arguments[:1] == ["--here"]
    cases = _chosen(arguments[1:] if here else arguments)
    if not cases:
        raise SystemExit("no such test; --list names them")
    if here:
        for case in cases:
            case.function(*case.arguments, **{
                name: made(*case.arguments) for name, made in case.fixtures().items()
            })
            print(f"ok      {case.name}")
        return
    counts = {"ok": 0, "fail": 0, "skip": 0}
    for kind, text in _run_all(cases, at_once):
        counts[kind] += 1
        print(text, flush=True)
    print(f"{counts['ok']} passed, {counts['fail']} failed, {counts['skip']} skipped", flush=True)
    raise SystemExit(1 if counts["fail"] else 77 if not counts["ok"] else 0)
