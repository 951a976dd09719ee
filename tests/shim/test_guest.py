# SPDX-License-Identifier: Apache-2.0
"""The law of the guest: programs that do what is hard on a guest run as they do unwatched.

Each program of guests/ runs bare and with the shim, under several Pythons and with several kinds of
daemon: none, none but a recording, one that never reads, one that answers nonsense, one that hangs
up at once, one whose queue is full. Status, stdout and stderr must be the same to the byte.
"""
import setup  # noqa: F401
import ctypes
import mmap
import os
import re
import socket
import struct
import tempfile
import threading

from lib import paths, pythons, runner, watch
from lib.runner import test

GUESTS = os.path.join(paths.TREE, "tests", "shim", "guests")
LOW = "blocking-call=1us,slow-callback=1us,long-turn=1us"
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x00020000, 0x4000, 0x40000
ENDINGS = ["exit", "_exit", "abort", "kill", "raise", "exec", "exec_python", "stop"]
LIMITS = ["descriptors", "threads", "memory", "files"]


class Daemon:
    """A daemon that behaves badly. The socket lives as long as the `with` block."""

    def __init__(self, kind):
        self.kind = kind
        self.path = os.path.join(tempfile.mkdtemp(), "socket")

    def __enter__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(self.path)
        self.socket.listen(0 if self.kind == "full" else 64)
        self.kept = []
        if self.kind == "full":
            for _ in range(3):
                waiting = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                waiting.setblocking(False)
                try:
                    waiting.connect(self.path)
                except BlockingIOError:
                    pass
                self.kept.append(waiting)
        else:
            threading.Thread(target=self.serve, daemon=True).start()
        return self

    def serve(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            if self.kind == "hangup":
                client.close()
                continue
            if self.kind == "nonsense":
                try:
                    client.send(os.urandom(256))
                    client.send(b"")
                except OSError:
                    pass
            self.kept.append(client)

    def __exit__(self, *_):
        self.socket.close()
        for kept in self.kept:
            kept.close()
        os.unlink(self.path)


DAEMONS = ["none", "recording", "deaf", "nonsense", "hangup", "full"]


def argv_of(python, program, *args):
    return [*python.argv, os.path.join(GUESTS, program), *args]


def normal(outcome):
    """Without addresses (the loader places each run elsewhere) and without what asyncio's debug mode
    says of callbacks that the machine was slow at."""
    for stream in ("stdout", "stderr"):
        text = re.sub(rb"0x[0-9a-f]+", b"0x", getattr(outcome, stream))
        setattr(outcome, stream, re.sub(rb"Executing <.* took .* seconds\n", b"", text))
    return outcome


def watched(argv, daemon, options, preloads, env):
    env = {**env, "LD_PRELOAD": ":".join(preloads), "LOOPHOUND_OPTIONS": options}
    if daemon == "none":
        return watch.run(argv, env=env)
    if daemon == "recording":
        env["LOOPHOUND_DIR"] = tempfile.mkdtemp()
        return watch.run(argv, env=env)
    with Daemon(daemon) as hostile:
        env["LOOPHOUND_SOCKET"] = hostile.path
        return watch.run(argv, env=env)


def assert_alike(argv, *ways, preloads=(paths.SHIM,), **env):
    """Each way is a daemon, or a daemon and options."""
    bare = normal(watch.run(argv, env=env))
    for way in ways or ["recording"]:
        daemon, options = (way, "") if isinstance(way, str) else way
        try:
            watch.assert_same(bare, normal(watched(argv, daemon, options, preloads, env)))
        except AssertionError as reason:
            raise AssertionError(f"{daemon} {options}: {reason}") from None


def some_pythons():
    """The oldest, the newest, Debian's, and those in between that changed what matters here."""
    host = [python for python in pythons.host()]
    wanted = {host[0].label, host[-1].label, pythons.debian().label}
    wanted |= {python.label for python in host if python.minor in ((3, 11), (3, 12))}
    return [python for python in host if python.label in wanted]


def ends():
    """Of those the oldest, the newest and Debian's; with LOOPHOUND_TEST_LONG=1 all."""
    host = [python for python in pythons.host()]
    wanted = {host[0].label, host[-1].label, pythons.debian().label}
    return [python for python in some_pythons()
            if python.label in wanted or os.environ.get("LOOPHOUND_TEST_LONG") == "1"]


def cells(programs, which=some_pythons):
    return lambda: [(program, python) for program in programs for python in which()]


def label(cell):
    return "-".join(str(part) for part in cell)


@test(each=cells(["fork_in_callback.py", "fork_chain.py", "raw_fork.py", "closed_descriptors.py",
                  "many_loops.py", "daemon_threads.py", "signals.py", "identity.py"]), label=label)
def a_hard_program(cell):
    program, python = cell
    assert_alike(argv_of(python, program), "recording", ("deaf", LOW))


@test(each=some_pythons)
def the_debug_allocators(python):
    """Python frees in its debug allocator what we made it allocate before it chose one."""
    for program in ("identity.py", "many_loops.py"):
        assert_alike([*python.argv, "-X", "dev", os.path.join(GUESTS, program)])
    assert_alike([*python.argv, "-X", "dev", "-c", "print(1)"])


@test(each=lambda: [python for python in some_pythons() if python.minor >= (3, 12)])
def no_warning_of_a_fork_in_threads(python):
    argv = [*python.argv, "-W", "error", os.path.join(GUESTS, "fork_in_callback.py")]
    assert watch.run(argv).status == 0
    assert_alike(argv)


@test(each=lambda: [(ending, python) for ending in ENDINGS for python in some_pythons()],
      label=label)
def an_ending(cell):
    ending, python = cell
    assert_alike(argv_of(python, "endings.py", ending), "recording", "deaf")


def attack_argv(python, program):
    return argv_of(python, program, os.path.join(paths.BUILD, "tests", "shim", "libattacks.so"))


# Each call is unwound, however short; each is looked at, and told of by its stack.
NATIVE, STRICT = ("recording", LOW + ",native"), ("recording", "strict")
ATTACKS = sorted(name for name in os.listdir(GUESTS) if name.startswith("attack_"))


@test(each=cells(ATTACKS), label=label)
def an_attack(cell):
    """Each of these crashed, hung or altered a program once."""
    program, python = cell
    # What is freed is overwritten, so that reading it shows.
    assert_alike(attack_argv(python, program), "none", NATIVE, STRICT, MALLOC_PERTURB_="165")


@test(each=cells(ATTACKS, ends), label=label)
def an_attack_on_an_allocator_that_tells(cell):
    program, python = cell
    assert_alike(attack_argv(python, program), MALLOC_PERTURB_="165", PYTHONMALLOC="malloc")


@test(each=lambda: [(daemon, python) for daemon in ("none", "recording", "deaf")
                    for python in some_pythons()], label=label)
def a_library_before_libc(cell):
    """It may take locks and allocate, which libc takes to be done by the threads it knows."""
    daemon, python = cell
    between = os.path.join(paths.BUILD, "tests", "shim", "libbetween.so")
    argv = argv_of(python, "library_between.py")
    for preloads in ((paths.SHIM, between), (between, paths.SHIM)):
        assert_alike(argv, daemon, preloads=preloads)


@test
def a_sanitizer_for_threads():
    """It stands before libc's functions and keeps books of each thread."""
    found = watch.run(["gcc", "-print-file-name=libtsan.so"]).stdout.decode().strip()
    if not os.path.isabs(found):
        runner.skip("gcc has no libtsan")
    assert_alike(argv_of(pythons.debian(), "library_between.py"),
                 preloads=(os.path.realpath(found), paths.SHIM))


@test
def a_recording_beside_a_program_that_goes_elsewhere():
    folder = tempfile.mkdtemp()
    os.mkdir(os.path.join(folder, "recordings"))
    program = "import asyncio, os; os.chdir('/'); asyncio.run(asyncio.sleep(0.01))"
    outcome = watch.run([*pythons.debian().argv, "-c", program], cwd=folder,
                        env={"LD_PRELOAD": paths.SHIM, "LOOPHOUND_DIR": "recordings"})
    assert outcome.status == 0, outcome.text()
    assert len(os.listdir(os.path.join(folder, "recordings"))) == 1


HARD = ["fork_in_callback.py", "fork_chain.py", "raw_fork.py", "many_loops.py",
        "daemon_threads.py", "signals.py", "identity.py", "handler_calls.py"]


@test(each=cells(HARD), label=label)
def looking_closely(cell):
    program, python = cell
    assert_alike(attack_argv(python, program), NATIVE, STRICT, MALLOC_PERTURB_="165")


@test(each=some_pythons)
def calls_after_a_jump_out_of_one(python):
    argv = argv_of(python, "attack_jumps.py",
                   os.path.join(paths.BUILD, "tests", "shim", "libattacks.so"))
    for options in ([], ["--strict", "--blocking-call", "20ms"]):
        outcome = watch.watched(argv, options)
        assert outcome.status == 0, outcome.text()
        outcome.report.assert_counts(argv[-2])
        assert not outcome.report.lost(), outcome.report.lost()


@test
def a_file_size_limit():
    """With `ulimit -f` below the region's size, making it would send SIGXFSZ."""
    argv = ["/bin/sh", "-c", "ulimit -f 1024; exec \"$@\"", "sh",
            *argv_of(pythons.debian(), "busy.py")]
    assert_alike(argv, ("recording", LOW), "deaf")


class Scribbler(Daemon):
    """Takes the region and writes nonsense into the counters that the guest goes by."""

    def serve(self):
        client, _ = self.socket.accept()
        _, fds, _, _ = socket.recv_fds(client, 100, 1)
        self.memory = mmap.mmap(fds[0], 0)
        os.close(fds[0])
        header = struct.unpack_from("<QIIIIIII", self.memory)
        arena = 4096 + header[4] * header[5]
        ring = arena + header[6]
        values = {"arena": [(arena, "<I", 0xfffffff0)], "arena-odd": [(arena, "<I", 3)],
                  "ring": [(ring, "<Q", header[7] - 4100), (ring + 64, "<Q", header[7] - 4100)],
                  "ring-far": [(ring, "<Q", 1 << 63), (ring + 64, "<Q", (1 << 63) - 8)],
                  "all": [(at, "<B", 0xa5) for at in range(4096, header[3])]}[self.kind]
        for at, form, value in values:
            struct.pack_into(form, self.memory, at, value)
        self.kept += [client, self.memory]


@test(each=["arena", "arena-odd", "ring", "ring-far", "all"])
def a_daemon_that_scribbles(kind):
    argv = argv_of(pythons.debian(), "busy.py")
    bare = watch.run(argv)
    with Scribbler(kind) as hostile:
        watch.assert_same(bare, watch.run(argv, env={
            "LD_PRELOAD": paths.SHIM, "LOOPHOUND_OPTIONS": LOW, "LOOPHOUND_SOCKET": hostile.path}))


@test(each=DAEMONS)
def a_daemon(kind):
    """More records than the ring holds, more names than the arena holds."""
    assert_alike(argv_of(pythons.debian(), "busy.py"), (kind, LOW))
    assert_alike(argv_of(pythons.debian(), "endings.py", "_exit"), (kind, LOW))


@test(each=LIMITS)
def a_limit(what):
    if what == "threads" and os.geteuid() == 0:
        runner.skip("root may make threads without limit")
    assert_alike(argv_of(pythons.debian(), "limits.py", what), "recording", "deaf")


def full_folder():
    """A file system with room for 64 KiB."""
    if os.geteuid() != 0:
        runner.skip("only root can mount a small file system")
    libc = ctypes.CDLL(None, use_errno=True)
    folder = tempfile.mkdtemp()
    if libc.unshare(CLONE_NEWNS) or libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None):
        runner.skip(f"no mount namespace here: {os.strerror(ctypes.get_errno())}")
    assert libc.mount(b"tmpfs", folder.encode(), b"tmpfs", 0, b"size=64k") == 0, ctypes.get_errno()
    return folder


@test(each=["missing", "unwritable", "full"])
def a_recording_folder(what):
    argv = argv_of(pythons.debian(), "busy.py")
    folder = os.path.join(tempfile.mkdtemp(), "folder")
    if what == "unwritable":
        os.close(os.open(folder, os.O_CREAT))
    elif what == "full":
        folder = full_folder()
    bare = watch.run(argv)
    watch.assert_same(bare, watch.run(argv, env={
        "LD_PRELOAD": paths.SHIM, "LOOPHOUND_OPTIONS": LOW, "LOOPHOUND_DIR": folder}))


@test
def an_idle_loop_is_let_sleep():
    outcome = watch.run(argv_of(pythons.debian(), "idle.py"), env={"LD_PRELOAD": paths.SHIM})
    assert outcome.status == 0, outcome.text()
    # One thread of ours, and it did not wake once while nothing happened.
    assert outcome.stderr.split(b"\n")[0] == b"1 [0]", outcome.text()


@test
def a_program_without_a_loop_gets_no_thread():
    code = "import os, time; time.sleep(0.01); print(len(os.listdir('/proc/self/task')))"
    outcome = watch.run([*pythons.debian().argv, "-c", code], env={"LD_PRELOAD": paths.SHIM})
    assert outcome.stdout == b"1\n", outcome.text()


runner.main(__name__, at_once=4)
