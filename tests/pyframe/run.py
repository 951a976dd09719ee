# SPDX-License-Identifier: Apache-2.0
"""pyframe against the interpreter's own answer, under the interpreter that runs this file.

    pythonX.Y run.py PROBE.so [--bench] [--only=PART_OF_A_NAME]

Every check compares file, function and line of every frame as pyframe reads them from memory with
what sys._getframe() or sys._current_frames() says at the same moment. Prints one line per failure
and "N passed, N failed, N skipped"; exits 0 when nothing failed, 77 when nothing could be checked.
--bench adds figures and samples a running thread more often; LOOPHOUND_TEST_LONG=1 takes a million
samples where a thread never stands still. Runs on 3.8, so nothing newer here.
"""

import asyncio
import atexit
import ctypes
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time

MAX_FRAMES = 128
MAX_FILE = 1024
MAX_NAME = 256
END_COMPLETE, END_DEPTH, END_UNREADABLE, END_INVALID, END_TORN = range(5)
WALK, STABLE, SAMPLE = range(3)
E_VERSION, E_OFFSETS, E_THREAD, E_MISREAD = range(1, 5)
END_NAMES = ["complete", "depth", "unreadable", "invalid", "torn"]


class Request(ctypes.Structure):
    _fields_ = [
        ("pid", ctypes.c_int32),
        ("version_hex", ctypes.c_uint32),
        ("thread", ctypes.c_uint64),
        ("how", ctypes.c_int32),
        ("n_repeats", ctypes.c_int32),
    ]


class Addr(ctypes.Structure):
    _fields_ = [("code_raddr", ctypes.c_uint64), ("lasti", ctypes.c_uint64)]


class Stack(ctypes.Structure):
    _fields_ = [
        ("n_frames", ctypes.c_uint32),
        ("end", ctypes.c_int),
        ("entries", ctypes.c_uint64 * (MAX_FRAMES // 64)),
        ("frames", Addr * MAX_FRAMES),
    ]


class Text(ctypes.Structure):
    _fields_ = [
        ("line", ctypes.c_int32),
        ("first_line", ctypes.c_int32),
        ("file_len", ctypes.c_uint16),
        ("function_len", ctypes.c_uint16),
        ("file", ctypes.c_char * MAX_FILE),
        ("function", ctypes.c_char * MAX_NAME),
    ]


class Name(ctypes.Structure):
    _fields_ = [
        ("addr", Addr),
        ("filename_raddr", ctypes.c_uint64),
        ("function_raddr", ctypes.c_uint64),
        ("linetable_raddr", ctypes.c_uint64),
        ("linetable_bytes", ctypes.c_uint32),
        ("first_line", ctypes.c_int32),
        ("is_code", ctypes.c_bool),
        ("is_known", ctypes.c_bool),
        ("line", ctypes.c_int32),
        ("file_id", ctypes.c_uint32),
        ("function_id", ctypes.c_uint32),
    ]


MAX_CHAIN, MAX_TASK_NAME, MAX_AWAITERS = 64, 128, 16
WAITS, RUNS, NEW, OVER, TOO_DEEP, CHAIN_UNREADABLE, CHAIN_INVALID = range(7)


class Link(ctypes.Structure):
    _fields_ = [("coro_raddr", ctypes.c_uint64), ("addr", Addr)]


class Chain(ctypes.Structure):
    _fields_ = [
        ("n_links", ctypes.c_uint32),
        ("end", ctypes.c_int),
        ("awaited_raddr", ctypes.c_uint64),
        ("links", Link * MAX_CHAIN),
    ]


class Task(ctypes.Structure):
    _fields_ = [
        ("task_raddr", ctypes.c_uint64),
        ("coro_raddr", ctypes.c_uint64),
        ("thread_task_raddr", ctypes.c_uint64),
        ("thread_task", ctypes.c_int32),
        ("name_len", ctypes.c_int32),
        ("n_awaiters", ctypes.c_int32),
        ("padding", ctypes.c_int32),
        ("awaiters", ctypes.c_uint64 * MAX_AWAITERS),
        ("name", ctypes.c_char * MAX_TASK_NAME),
        ("chain", Chain),
    ]


MAX_CODES, MAX_PAIRS = 64, 4096


class Adversary(ctypes.Structure):
    _fields_ = [
        ("codes", ctypes.c_uint64 * MAX_CODES),
        ("n_codes", ctypes.c_uint32),
        ("n_outer", ctypes.c_uint32),
        ("n_samples", ctypes.c_uint32),
        ("n_pairs", ctypes.c_uint32),
        ("n_ends", ctypes.c_uint64 * len(END_NAMES)),
        ("n_errors", ctypes.c_uint64),
        ("n_wrong", ctypes.c_uint64),
        ("n_frames", ctypes.c_uint64),
        ("wrong", Stack),
        ("pairs", Addr * MAX_PAIRS),
        ("n_seen", ctypes.c_uint64 * MAX_PAIRS),
    ]


class Freed(ctypes.Structure):
    _fields_ = [
        ("n_samples", ctypes.c_uint32),
        ("padding", ctypes.c_uint32),
        ("n_frames", ctypes.c_uint64),
        ("n_gone", ctypes.c_uint64),
        ("n_named", ctypes.c_uint64),
        ("n_wrong", ctypes.c_uint64),
        ("wrong", Text),
    ]


class Skip(Exception):
    pass


def utf8(text, size):
    """What pyframe makes of a str: no lone surrogates, no NUL, cut at a character."""
    text = "".join("\ufffd" if "\ud800" <= c <= "\udfff" or c == "\0" else c for c in text)
    return text.encode()[: size - 1].decode(errors="ignore")


class Probe:
    """The library, twice: keeping the GIL while it is called, and letting it go."""

    def __init__(self, path):
        self.path = path
        self.holding = ctypes.PyDLL(path)
        self.releasing = ctypes.CDLL(path)
        self.last_ns = 0
        text_bytes, name_bytes = ctypes.c_size_t(), ctypes.c_size_t()
        self.holding.probe_sizes.restype = ctypes.c_size_t
        stack_bytes = self.holding.probe_sizes(ctypes.byref(text_bytes), ctypes.byref(name_bytes))
        sizes = stack_bytes, text_bytes.value, name_bytes.value
        assert sizes == tuple(map(ctypes.sizeof, (Stack, Text, Name))), sizes

    def request(self, thread=0, pid=0, how=0, n_repeats=1):
        return Request(pid, sys.hexversion, thread, how, n_repeats)

    def walk(self, library, request):
        """Of the calling thread, the first frame is the one of this very function."""
        stack, ns = Stack(), ctypes.c_uint64()
        r = library.probe_walk(ctypes.byref(request), ctypes.byref(stack), ctypes.byref(ns))
        if r:
            raise AssertionError("walk returned %d" % r)
        self.last_ns = ns.value
        return stack

    def count_loops(self):
        """Called as walk() is, so that what it counts is what that sees."""
        return self.holding.probe_count_loops()

    def watch(self, library, request):
        """The same, from a thread of C."""
        stack, ns = Stack(), ctypes.c_uint64()
        r = library.probe_watch(ctypes.byref(request), ctypes.byref(stack), ctypes.byref(ns))
        if r:
            raise AssertionError("walk returned %d" % r)
        return stack

    def ask(self, library, request):
        """The same, by the other process: (lines, end)."""
        answer = ctypes.create_string_buffer(MAX_ANSWER)
        n = library.probe_ask(reader.question_fd, reader.answer_fd, ctypes.byref(request), answer, MAX_ANSWER)
        if n < 0:
            raise AssertionError("the other process returned %d" % n)
        answer = json.loads(answer.raw[:n].decode())
        if isinstance(answer, str):
            raise AssertionError("the other process: " + answer)
        lines, end = answer
        return list(map(tuple, lines)), end

    def describe(self, request, addr):
        text = Text()
        r = self.holding.probe_describe(ctypes.byref(request), ctypes.byref(addr), ctypes.byref(text))
        if r:
            raise AssertionError("describe returned %d" % r)
        assert len(text.file) == text.file_len and len(text.function) == text.function_len
        return text.file.decode(), text.function.decode(), text.line

    def recall(self, request):
        names, n_names, ns = (Name * MAX_FRAMES)(), ctypes.c_uint32(), ctypes.c_uint64()
        r = self.holding.probe_recall(ctypes.byref(request), names, ctypes.byref(n_names),
                                      ctypes.byref(ns))
        assert r == 0, r
        self.last_ns = ns.value
        return names[: n_names.value]

    def lines(self, request, stack):
        return [self.describe(request, stack.frames[i]) for i in range(stack.n_frames)]


MAX_ANSWER = 1 << 20


class Reader:
    """A process that reads stacks of others; forked before this one has threads or a loop."""

    def __init__(self):
        question, self.question_fd = os.pipe()
        self.answer_fd, answer = os.pipe()
        self.is_allowed = True
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.question_fd)
            os.close(self.answer_fd)
            try:
                self.serve(question, answer)
            finally:
                os._exit(0)
        os.close(question)
        os.close(answer)

    def serve(self, question_fd, answer_fd):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while True:
            question = os.read(question_fd, ctypes.sizeof(Request))
            if not question:
                return
            request = Request.from_buffer_copy(question)
            try:
                stack = probe.walk(probe.holding, request)
                answer = probe.lines(request, stack), stack.end
            except Exception as e:
                answer = str(e)
            answer = json.dumps(answer).encode()
            os.write(answer_fd, struct.pack("<I", len(answer)) + answer)

    def end(self):
        os.close(self.question_fd)
        os.waitpid(self.pid, 0)


probe = reader = None


def expected(frame):
    result = []
    while frame is not None:
        code = frame.f_code
        name = getattr(code, "co_qualname", code.co_name)
        result.append((utf8(code.co_filename, MAX_FILE), utf8(name, MAX_NAME), frame.f_lineno or 0))
        frame = frame.f_back
    return result


def compare(got, want, end=END_COMPLETE, want_end=END_COMPLETE):
    for i, (a, b) in enumerate(zip(got, want)):
        assert a == b, "frame %d: pyframe %r, interpreter %r" % (i, a, b)
    assert len(got) == len(want), "%d frames, interpreter %d" % (len(got), len(want))
    assert end == want_end, "ends %s" % END_NAMES[end]


def entries_of(stack):
    """For each frame, whether it was entered from C."""
    bits = sum(word << 64 * i for i, word in enumerate(stack.entries))
    assert bits >> stack.n_frames == 0, (bin(bits), stack.n_frames)
    return [bits >> i & 1 for i in range(stack.n_frames)]


def own_entries():
    """As many frames were entered from C as there are evaluation loops on the native stack."""
    request = probe.request()
    stack, n_loops = probe.walk(probe.holding, request), probe.count_loops()
    entries = entries_of(stack)
    assert stack.end != END_COMPLETE or n_loops in (-1, sum(entries)), (n_loops, entries)
    counted[n_loops >= 0 and stack.end == END_COMPLETE] += 1
    return entries


counted = [0, 0]


def own_stack(want_end=END_COMPLETE, cut=None):
    """The stack here, from this thread by plain loads, with the GIL and without, through the
    kernel, from a thread beside it, and from another process. cut: how many frames there are room
    for."""
    ident = threading.get_ident()
    entries = own_entries()[1:]
    for read, library, thread, how in (
        (probe.walk, probe.holding, 0, WALK), (probe.walk, probe.releasing, 0, WALK),
        (probe.walk, probe.holding, ident, STABLE),
        (probe.watch, probe.holding, ident, SAMPLE), (probe.watch, probe.releasing, ident, SAMPLE),
    ):
        request = probe.request(thread, how=how)
        # One line, so that the innermost frame stands on it for both.
        stack, want = read(library, request), expected(sys._getframe())
        compare(probe.lines(request, stack)[1:], want[:cut], stack.end, want_end)
        got = entries_of(stack)[1:]
        assert cut or got[1:] == entries[2:], (got, entries)
    if reader.is_allowed:
        request = probe.request(ident, pid=os.getpid(), how=SAMPLE)
        (lines, end), want = probe.ask(probe.releasing, request), expected(sys._getframe())
        compare(lines[1:], want[:cut], end, want_end)
    return len(want)


#
# The programs
#


def check_nested():
    def outer():
        def inner():
            return own_stack()

        return inner()

    outer()


def check_entries():
    """Called by C and called by Python: the second is an entry up to 3.10 only."""
    def leaf(*_):
        seen.append(own_entries()[2:])
        return 0

    def called(*_):
        return leaf()

    def generated():
        yield called()

    def is_entry(*wanted):
        got = seen.pop()[: len(wanted)]
        assert got == [w or sys.version_info < (3, 11) for w in wanted], (got, wanted)

    seen = []
    called()
    is_entry(0, 0)
    assert counted[1] or probe.count_loops() < 0, counted
    sorted([1], key=called)
    is_entry(0, 1, 0)
    list(map(leaf, [1]))
    is_entry(1, 0)
    next(generated())
    is_entry(0, 0, 1, 0)
    ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(called)(1)
    is_entry(0, 1, 0)


def check_recursion():
    def down(n):
        return down(n - 1) if n else own_stack()

    down(50)


def check_too_deep():
    def down(n):
        if n:
            return down(n - 1)
        request = probe.request()
        stack, want = probe.walk(probe.holding, request), expected(sys._getframe())
        compare(probe.lines(request, stack)[1:], want[: MAX_FRAMES - 1], stack.end, END_DEPTH)

    down(200)


def check_exactly_deep():
    def down(n):
        if n:
            return down(n - 1)
        request = probe.request()
        stack, want = probe.walk(probe.holding, request), expected(sys._getframe())
        compare(probe.lines(request, stack)[1:], want, stack.end)
        assert stack.n_frames == MAX_FRAMES

    down(MAX_FRAMES - len(expected(sys._getframe())) - 2)


def in_deep_thread(function):
    """On a stack of a gigabyte, where 3.8 to 3.10 recurse in C."""
    errors = []

    def runs():
        try:
            function()
        except Exception as e:
            errors.append(e)

    limit, size = sys.getrecursionlimit(), threading.stack_size(1 << 30)
    sys.setrecursionlimit(20000)
    try:
        thread = threading.Thread(target=runs)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(size)
        sys.setrecursionlimit(limit)
    if errors:
        raise errors[0]


def check_depth_10000():
    def down(n):
        return down(n - 1) if n else own_stack(END_DEPTH, MAX_FRAMES - 1)

    in_deep_thread(lambda: down(10000))


def check_threads():
    """Many threads, each with its own stack."""
    def runs(n):
        def down(n):
            return down(n - 1) if n else own_stack()

        try:
            down(n)
        except Exception as e:
            errors.append(e)

    errors = []
    lock = threading.Lock()  # the other process answers one at a time

    def in_turn(n):
        with lock:
            runs(n)

    threads = [threading.Thread(target=in_turn, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def check_decorators():
    import contextlib
    import functools

    def plain(function):
        @functools.wraps(function)
        def wrapper(*args):
            own_stack()
            return function(*args)
        own_stack()
        return wrapper

    def with_argument(argument):
        own_stack()
        return plain

    class Decorator:
        def __init__(self, function):
            self.function = function

        def __call__(self, *args):
            return self.function(*args)

        def __get__(self, obj, cls):
            return functools.partial(self, obj)

    @plain
    @with_argument(
        own_stack()
    )
    @Decorator
    @functools.lru_cache()
    def decorated():
        return own_stack()

    class Thing:
        @Decorator
        def method(self):
            return own_stack()

        @staticmethod
        @plain
        def static():
            return own_stack()

    @contextlib.contextmanager
    def manager():
        own_stack()
        yield
        own_stack()

    decorated()
    Thing().method()
    Thing.static()
    with manager():
        own_stack()


def check_ctypes_callback():
    compare_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))

    def by_value(a, b):
        try:
            own_stack()
        except Exception as e:
            errors.append(e)
        return a[0] - b[0]

    def sorts(n):
        if n:
            return sorts(n - 1)
        values = (ctypes.c_int * 3)(3, 1, 2)
        ctypes.CDLL(None).qsort(values, 3, 4, compare_type(by_value))
        return list(values)

    errors = []
    assert sorts(3) == [1, 2, 3]
    if errors:
        raise errors[0]


def check_async_generators():
    async def ticks(n):
        try:
            for i in range(n):
                own_stack()
                yield i
        finally:
            own_stack()
            await asyncio.sleep(0)
            own_stack()

    async def doubled(source):
        async for i in source:
            own_stack()
            yield i * 2

    async def main():
        assert [i async for i in doubled(ticks(2)) if own_stack()] == [0, 2]
        made = doubled(ticks(5))
        await made.asend(None)
        await made.aclose()
        async for _ in ticks(9):
            break
        own_stack()

    asyncio.run(main())


def check_tracers():
    """What a tracer or a profiler is told, it is told from inside the frame."""
    def called(n):
        return called(n - 1) if n else None

    def tells(frame, event, arg):
        if frame.f_code is called.__code__:
            # Through the kernel a frame that does not execute yet ends the stack, up to 3.9.
            request = probe.request()
            stack, want = probe.walk(probe.holding, request), expected(sys._getframe())
            compare(probe.lines(request, stack)[1:], want, stack.end)
            events.add(event)

    for install in (sys.settrace, sys.setprofile):
        events = set()
        install(tells)
        try:
            called(2)
        finally:
            install(None)
        assert "call" in events, events


def check_finalizers():
    class Thing:
        def __del__(self):
            try:
                own_stack()
            except Exception as e:
                errors.append(e)

    def drops():
        thing = Thing()
        cycle = [Thing()]
        cycle.append(cycle)
        del thing

    errors = []
    drops()
    __import__("gc").collect()
    if errors:
        raise errors[0]


def in_child(function):
    """Fork, call it there; it must not raise."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            function()
            status = 0
        except BaseException as e:
            os.write(1, ("in the child: %s\n" % ascii(str(e))[:600]).encode())
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


def check_after_fork():
    def forks(n):
        in_child(own_stack)
        if n:
            in_child(lambda: forks(n - 1))

    def starts_thread():
        errors = []

        def runs():
            try:
                own_stack()
            except Exception as e:
                errors.append(e)

        thread = threading.Thread(target=runs)
        thread.start()
        thread.join()
        assert not errors, errors

    forks(1)
    in_child(starts_thread)


class Dying:
    """Dies when the modules are taken apart."""

    def __del__(self):
        say_own_stack("finalizing" if sys.is_finalizing() else "deleted")


def say_own_stack(when):
    try:
        own_stack()
        os.write(1, ("%s ok\n" % when).encode())
    except BaseException as e:
        os.write(1, ("%s: %s\n" % (when, ascii(str(e))[:600])).encode())


def shut_down():
    """What check_shutdown() runs."""
    globals()["_dying"] = Dying()
    atexit.register(say_own_stack, "atexit")
    threading.Thread(target=lambda: (time.sleep(0.05), say_own_stack("thread"))).start()


def run_self(*arguments, **more):
    command = [*more.pop("python", [sys.executable]), os.path.abspath(__file__), probe.path, *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=250)


def check_shutdown():
    said = run_self("--shutdown").stdout.decode(errors="replace").split("\n")
    assert sorted(filter(None, said)) == ["atexit ok", "finalizing ok", "thread ok"], said


def check_debug_build():
    """The whole script once more, under the debug build that Debian has of its own version."""
    if not os.path.realpath(sys.executable).startswith("/usr/bin/") or sys.version_info[:2] != (3, 11):
        return
    if "--bench" in sys.argv or any(a.startswith("--only") for a in sys.argv):
        return
    if hasattr(sys, "gettotalrefcount"):
        return
    if not shutil.which("python3.11d"):
        raise Skip("no debug build: apt-get install python3.11-dbg")
    result = run_self(python=["python3.11d"])
    assert result.returncode == 0, result.stdout.decode(errors="replace")


def check_sub_interpreter():
    try:
        import _interpreters as interpreters
        run = interpreters.exec
    except ImportError:
        try:
            import _xxsubinterpreters as interpreters
            run = interpreters.run_string
        except ImportError:
            raise Skip("no module for sub-interpreters")
    ready, tell = os.pipe()
    hold, release = os.pipe()
    script = ("import os\n"
              "def inner():\n"
              " os.write(%d, b'.')\n"
              " os.read(%d, 1)\n"
              "def outer():\n"
              " [inner() for _ in [1]]\n"
              "outer()\n" % (tell, hold))

    def runs():
        # Its thread state belongs to the thread that made it, whoever runs it.
        made = interpreters.create()
        run(made, script)
        interpreters.destroy(made)

    thread = threading.Thread(target=runs)
    thread.start()
    try:
        os.read(ready, 1)
        time.sleep(0.05)
        want = [("inner", 4), ("outer", 6), ("<module>", 7)]
        if sys.version_info < (3, 12):
            want.insert(1, ("<listcomp>", 6))
        for pid in (0, os.getpid()):
            request = probe.request(thread.ident, pid=pid, how=SAMPLE)
            stack = probe.watch(probe.releasing, request)
            got = [(name.split(".")[-1], line) for _, name, line in probe.lines(request, stack)]
            assert got[: len(want)] == want and stack.end == END_COMPLETE, (got, stack.end)
    finally:
        os.close(release)
        thread.join()
        for fd in (ready, tell, hold):
            os.close(fd)


def check_generators():
    def numbers():
        yield own_stack()
        yield from more()

    def more():
        own_stack()
        yield 1

    for _ in numbers():
        own_stack()
    assert list(own_stack() and n for n in numbers())


def check_coroutines():
    async def leaf():
        own_stack()
        await asyncio.sleep(0)
        own_stack()

    async def middle():
        await leaf()

    async def main():
        await middle()
        await asyncio.gather(leaf(), middle())
        async for _ in ticks():
            own_stack()
        async with Manager():
            own_stack()

    async def ticks():
        for _ in range(2):
            await asyncio.sleep(0)
            own_stack()
            yield 1

    class Manager:
        async def __aenter__(self):
            own_stack()

        async def __aexit__(self, *exc):
            own_stack()

    asyncio.run(main())


def check_lambda():
    (lambda: (lambda: own_stack())())()


def check_comprehensions():
    [own_stack() for _ in range(2)]
    {own_stack() for _ in range(2)}
    {1: own_stack() for _ in range(2)}
    [[own_stack() for _ in range(2)] for _ in range(2)]


def check_called_from_c():
    sorted([3, 1, 2], key=lambda n: own_stack() and n)
    list(map(lambda n: own_stack(), [1]))

    class Thing:
        def __repr__(self):
            own_stack()
            return "thing"

        @property
        def value(self):
            return own_stack()

    "%r" % Thing()
    Thing().value


def check_class_body():
    class Thing:
        class Inner:
            own_stack()

        def method(self):
            return own_stack()

        @classmethod
        def make(cls):
            return cls().method()

    Thing.make()


def check_exec():
    source = "def made():\n\n    return (\n        f()\n    )\n\nmade()\n"
    exec(compile(source, "<made up>", "exec"), {"f": own_stack})
    exec("f()", {"f": own_stack})


def check_unicode():
    latin, wide, astral = "d\u00e9j\u00e0", "\u51fd\u6570", "\U0001d4d0\U0001d4d1"
    for name in (latin, wide, astral):
        for path in ("/tmp/" + name + ".py", "/tmp/\udcff\udc80.py", "/tmp/\U0001f40d.py"):
            scope = {"f": own_stack}
            exec(compile("def %s():\n  return f()\n%s()" % (name, name), path, "exec"), scope)


def check_long_names():
    for name in ("x" * 255, "x" * 256, "x" * 254 + "\u00e9", "\u51fd" * 200, "x" + "\u51fd" * 85):
        for path in ("/" + "p" * 3999, "/" + "\udc80p\u00e9" * 1333, "/" + "p" * 1022, "/" + "p" * 1023, "/" + "\u00e9" * 511, "/" + "\u51fd" * 400):
            scope = {"f": own_stack}
            exec(compile("def %s():\n  return f()\n%s()" % (name, name), path, "exec"), scope)


def check_multi_line():
    def call(*args):
        return args[0]

    call(
        1,
        own_stack(),
        call(
            own_stack(),
            2,
            *[
                own_stack()
            ],
        ),
    )
    value = (
        own_stack()
        + own_stack()
        + (
            own_stack()
            if
            own_stack()
            else 0
        )
    )
    assert value, (
        own_stack()
    )
    "a%s" % (
        own_stack(),
    ); own_stack()


def check_exceptions():
    try:
        try:
            raise KeyError(own_stack())
        except KeyError:
            own_stack()
            raise ValueError
        finally:
            own_stack()
    except ValueError as e:
        own_stack()
        for _ in (1, 2):
            with open(os.devnull):
                own_stack()


def check_big_function():
    """A table longer than one read, and lines that go far and back."""
    body = ["def big():", " n = 0"]
    for i in range(2000):
        body.append(" n += %d if n else 1" % i)
        if i % 400 == 0:
            body.extend(["\n" * 300, " f()", " (", "\n" * 150, " f())"])
    body.extend([" f()", " return n", "big()"])
    exec(compile("\n".join(body), "<big>", "exec"), {"f": own_stack})


def check_line_steps():
    """Every line of a stepped function, by the tracer's own account."""
    lines = []

    def stepped(n):
        a = [i for i in range(n)]; b = (
            a,
            n)
        if a and (
                b or
                n):
            for i in a:
                while True:
                    n -= 1
                    if n % 2: break
        try:
            n = a[
                100]
        except IndexError:
            pass
        return {
            "a": a,
            **{"b":
               b},
        }

    def tracer(frame, event, arg):
        if event == "line" and frame.f_code is stepped.__code__:
            own_stack()
            lines.append(frame.f_lineno)
        return tracer

    sys.settrace(tracer)
    try:
        stepped(4)
    finally:
        sys.settrace(None)
    assert len(lines) > 20


def check_every_instruction():
    """The line of every instruction of many code objects, without running them."""

    def codes(code):
        yield code
        for const in code.co_consts:
            if hasattr(const, "co_code"):
                yield from codes(const)

    import argparse
    import dis
    import inspect

    request, n = probe.request(), 0
    for module in (argparse, asyncio.base_events, dis, inspect, sys.modules[__name__]):
        with open(module.__file__, encoding="utf-8") as f:
            top = compile(f.read(), module.__file__, "exec")
        for code in codes(top):
            want = line_by_offset(code)
            for offset, line in want.items():
                # Module-level tables are long: every seventh will do there.
                if code is top and offset // 2 % 7:
                    continue
                got = probe.describe(request, Addr(id(code), offset))
                assert got[2] == line, "%s+%d: pyframe %d, interpreter %r" % (
                    got[1], offset, got[2], line)
                n += 1
    assert n > 5000, n


def line_by_offset(code):
    want = {}
    if hasattr(code, "co_lines"):
        for begin, end, line in code.co_lines():
            for offset in range(begin, end, 2):
                want[offset] = line or 0
        return want
    import dis

    line, starts = code.co_firstlineno, dict(dis.findlinestarts(code))
    for offset in range(0, len(code.co_code), 2):
        line = starts.get(offset, line)
        want[offset] = line
    return want


def check_describe_code():
    for code in (check_nested.__code__, asyncio.run.__code__, check_unicode.__code__):
        text = Text()
        request = probe.request()
        r = probe.holding.probe_describe_code(ctypes.byref(request), ctypes.c_uint64(id(code)),
                                              ctypes.byref(text))
        assert r == 0, r
        assert text.line == text.first_line == code.co_firstlineno
        assert text.file.decode() == code.co_filename
    for wrong in (check_nested, "text", 5, None, sys, 0, 1, 2**47 - 8, 2**64 - 8):
        raddr = wrong if isinstance(wrong, int) and wrong != 5 else id(wrong)
        r = probe.holding.probe_describe_code(ctypes.byref(request), ctypes.c_uint64(raddr),
                                              ctypes.byref(text))
        assert r < 0, wrong


def unicode_of(obj, size=64):
    buf = ctypes.create_string_buffer(size)
    request = probe.request()
    r = probe.holding.probe_unicode(ctypes.byref(request), ctypes.c_uint64(id(obj)), buf,
                                    ctypes.c_size_t(size))
    assert r == len(buf.value) or r < 0, r
    return buf.value.decode() if r >= 0 else None


def check_str_objects():
    class Sub(str):
        pass

    texts = ["", "a", "ascii only", "\u00e9t\u00e9", "\u51fd\u6570", "\U0001f40d x", "a\0b", "x" * 63,
             "x" * 64, "\U0001f40d" * 20, "a\ud800b"]
    for text in texts + [Sub(t) for t in texts]:
        assert unicode_of(text) == utf8(text, 64), ascii(text)
    assert unicode_of("", 1) == "" and unicode_of("abc", 1) == "" and unicode_of("abc", 3) == "ab"


def check_coroutine_objects():
    async def waits():
        await asyncio.sleep(0)

    def generates():
        yield 1

    async def both():
        yield 1

    for make, names in ((waits, ("close",)), (generates, ("close",)), (both, ())):
        obj = make()
        code_raddr, buf = ctypes.c_uint64(), ctypes.create_string_buffer(MAX_NAME)
        request = probe.request()
        for _ in range(2):
            r = probe.holding.probe_coroutine(ctypes.byref(request), ctypes.c_uint64(id(obj)),
                                              ctypes.byref(code_raddr), buf, MAX_NAME)
            assert r == len(make.__qualname__), r
            assert code_raddr.value == id(make.__code__)
            assert buf.value.decode() == make.__qualname__
            for name in names:
                getattr(obj, name)()


def hash_of(text):
    result = 5381
    for byte in text.encode():
        result = (result * 33 + byte) & 0xffffffff
    return result


def check_memo():
    """What is recalled is what the interpreter says, also for code at an address used before."""
    for thread in (0, threading.get_ident()):
        request = probe.request(thread)
        for round in range(3):
            names, want = probe.recall(request), expected(sys._getframe())
            assert all(name.is_code for name in names)
            assert not round or all(name.is_known for name in names[1:]), (thread, round)
            for name, (path, function, line) in zip(names[1:], want):
                if name.is_known:
                    assert (name.line, name.file_id, name.function_id) == (
                        line, hash_of(path), hash_of(function)), (path, function, line)


def check_memo_reuse():
    """Functions made and dropped, each another one, many of them at the same address."""
    addresses, n_known = {}, 0

    def made():
        nonlocal n_known
        names, want = probe.recall(request), expected(sys._getframe(1))
        name, (path, function, line) = names[2], want[0]
        n_known += name.is_known
        if name.is_known:
            assert (name.line, name.file_id, name.function_id) == (
                line, hash_of(path), hash_of(function)), (path, function, line)

    request = probe.request()
    for i in range(3000):
        source = "\n" * (i % 7) + "def f%d():\n%s made()\nf%d()" % (i % 5, "\n" * (i % 3), i % 5)
        code = compile(source, "/reuse/%d.py" % (i % 11), "exec")
        exec(code, {"made": made})
        function_code = [c for c in code.co_consts if hasattr(c, "co_code")][0]
        seen = addresses.setdefault(id(function_code), set())
        seen.add((function_code.co_filename, function_code.co_name, function_code.co_firstlineno))
    assert max(map(len, addresses.values())) > 1, "no address was used twice"


#
# Tasks
#

HAS_AWAITERS = sys.version_info >= (3, 14)


def read_task(obj, is_callable=0, want_r=0):
    """By plain loads and through the kernel; both must say the same."""
    answers = []
    for thread in (0, threading.get_ident()):
        request, task = probe.request(thread), Task()
        r = probe.holding.probe_task(ctypes.byref(request), ctypes.c_uint64(id(obj)), is_callable,
                                     ctypes.byref(task))
        assert r == want_r, (r, want_r)
        answers.append(bytes(task))
    assert answers[0] == answers[1]
    return task


def follow(obj):
    chain, request = Chain(), probe.request(threading.get_ident())
    r = probe.holding.probe_follow(ctypes.byref(request), ctypes.c_uint64(id(obj)),
                                   ctypes.byref(chain))
    assert r == 0, r
    return chain


def chain_lines(chain):
    """(id of the coroutine, function, line) of each link."""
    request = probe.request(threading.get_ident())
    result = []
    for link in chain.links[: chain.n_links]:
        _, function, line = probe.describe(request, link.addr)
        result.append((link.coro_raddr, function.split(".")[-1], line))
    return result


def await_chain(obj):
    """The same as the interpreter says it, and what is awaited at last."""
    result = []
    while obj is not None:
        for prefix, awaited in (("cr", "cr_await"), ("gi", "gi_yieldfrom"), ("ag", "ag_await")):
            if hasattr(obj, prefix + "_code"):
                break
        else:
            return result, obj
        frame = getattr(obj, prefix + "_frame")
        code = getattr(obj, prefix + "_code")
        result.append((id(obj), code.co_name, frame.f_lineno if frame else code.co_firstlineno))
        obj = getattr(obj, awaited)
    return result, None


def compare_chain(coro, chain, end, awaited=None):
    want, last = await_chain(coro)
    assert chain_lines(chain) == want, "pyframe %r, interpreter %r" % (chain_lines(chain), want)
    assert chain.end == end, (chain.end, end)
    assert chain.awaited_raddr == (id(awaited) if awaited is not None else 0), last


def in_loop(function):
    """Run an async program and, beside it, let it look at itself from a task of its own."""
    asyncio.run(function())


async def settle():
    for _ in range(3):
        await asyncio.sleep(0)


def check_task_chain():
    async def leaf(future):
        return await (
            future
        )

    async def middle(future):
        if future: return await leaf(future)

    async def outer(future):
        await middle(future)

    async def program():
        future = asyncio.get_running_loop().create_future()
        coro = outer(future)
        task = asyncio.ensure_future(coro)
        read = read_task(task)
        assert read.coro_raddr == id(coro)
        compare_chain(coro, read.chain, NEW)
        await settle()
        read = read_task(task)
        compare_chain(coro, read.chain, WAITS, future)
        assert read.chain.n_links == 3
        future.set_result(None)
        await task
        compare_chain(coro, read_task(task).chain, OVER)

    in_loop(program)


def check_task_running():
    async def inner():
        read = read_task(task)
        assert read.coro_raddr == id(coro)
        compare_chain(coro, read.chain, RUNS)
        if HAS_AWAITERS:
            assert (read.thread_task, read.thread_task_raddr) == (0, id(task))
        else:
            assert read.thread_task == -38
        compare_chain(others[0], follow(others[0]), RUNS)

    async def outer():
        nonlocal others
        others = [inner()]
        await others[0]

    async def program():
        nonlocal task, coro
        coro = outer()
        task = asyncio.ensure_future(coro)
        await task

    task = coro = others = None
    in_loop(program)


def check_task_through_others():
    """Async generators, generators, __await__ of all kinds, anext() with a default."""
    import types

    async def ticks(future):
        for _ in range(2):
            await future
            yield 1

    async def by_async_for(future):
        async for _ in ticks(future):
            pass

    async def by_asend(future):
        ticking = ticks(future)
        await ticking.__anext__()

    async def by_athrow(future):
        async def catching():
            try:
                yield 1
            except KeyError:
                await future
                yield 2

        made = catching()
        await made.__anext__()
        await made.athrow(KeyError)

    async def by_anext(future):
        await anext(ticks(future), None)  # noqa: F821

    @types.coroutine
    def generator(future):
        yield from future

    async def by_generator(future):
        await generator(future)

    class Awaitable:
        def __init__(self, future):
            self.future = future

        def __await__(self):
            yield from self.future

    class Wrapping(Awaitable):
        def __await__(self):
            async def wrapped():
                await self.future
            return wrapped().__await__()

    async def by_class(future):
        await Awaitable(future)

    async def by_wrapper(future):
        await Wrapping(future)

    async def program():
        makers = [by_async_for, by_asend, by_athrow, by_generator, by_class, by_wrapper]
        if sys.version_info >= (3, 10):
            makers.append(by_anext)
        for make in makers:
            future = asyncio.get_running_loop().create_future()
            coro = make(future)
            task = asyncio.ensure_future(coro)
            await settle()
            chain = read_task(task).chain
            got = chain_lines(chain)
            # The interpreter's chain ends where something in between has no attributes.
            want, _ = await_chain(coro)
            assert got[: len(want)] == want, (got, want)
            assert chain.n_links == 2, (make.__name__, got)
            assert chain.end == WAITS and chain.awaited_raddr == id(future), (make.__name__, chain.end)
            future.set_result(None)
            await task

    in_loop(program)


def check_task_yielding():
    """Suspended on a plain yield: nothing is awaited."""
    async def yields():
        await asyncio.sleep(0)

    async def program():
        coro = yields()
        coro.send(None)
        chain = follow(coro)
        want, _ = await_chain(coro)
        assert chain_lines(chain) == want and chain.end == WAITS and not chain.awaited_raddr
        coro.close()
        assert follow(coro).end == OVER

    def numbers():
        yield 1

    in_loop(program)
    made = numbers()
    assert follow(made).end == NEW
    next(made)
    assert follow(made).end == WAITS and follow(made).awaited_raddr == 0
    list(made)
    assert follow(made).end == OVER


def check_task_deep():
    async def deep(n, future):
        if n:
            return await deep(n - 1, future)
        await future

    async def program():
        for n, end in ((MAX_CHAIN - 1, WAITS), (MAX_CHAIN, TOO_DEEP), (300, TOO_DEEP)):
            future = asyncio.get_running_loop().create_future()
            task = asyncio.ensure_future(deep(n, future))
            await settle()
            chain = read_task(task).chain
            assert (chain.n_links, chain.end) == (MAX_CHAIN, end), (chain.n_links, chain.end)
            future.set_result(None)
            await task

    in_loop(program)


def check_task_name():
    async def nothing():
        pass

    class Mine(asyncio.Task):
        pass

    class Yours(Mine):
        pass

    async def program():
        loop = asyncio.get_running_loop()
        names = ["plain", "d\u00e9j\u00e0", "\u51fd\u6570", "\U0001f40d", "", "x" * 127, "x" * 128, "a\0b"]
        tasks = [asyncio.Task(nothing(), loop=loop, name=name) for name in names]
        tasks += [Mine(nothing(), loop=loop), Yours(nothing(), loop=loop, name="yours")]
        tasks += [loop.create_task(nothing()) for _ in range(12)]
        for task in tasks:
            # Before anybody asks: from 3.12 on it is a number until then.
            name = read_task(task).name.decode()
            assert name == utf8(task.get_name(), MAX_TASK_NAME), (name, task.get_name())
            assert read_task(task).name.decode() == name
        await asyncio.gather(*tasks)

    in_loop(program)


def check_task_refused():
    """What is no task of the accelerator is said to be none."""
    async def nothing():
        pass

    async def program():
        loop = asyncio.get_running_loop()
        python_task = asyncio.tasks._PyTask(nothing(), loop=loop)
        for wrong in (python_task, loop.create_future(), loop, nothing, 5, "text", None, int, Task):
            read_task(wrong, want_r=-22)
            read_task(wrong, is_callable=1, want_r=-22)
        await python_task

    in_loop(program)
    request, task = probe.request(threading.get_ident()), Task()
    for raddr in (0, 1, 8, 4096, 2**47 - 8, 2**63, 2**64 - 8):
        for is_callable in (0, 1):
            r = probe.holding.probe_task(ctypes.byref(request), ctypes.c_uint64(raddr), is_callable,
                                         ctypes.byref(task))
            assert r < 0, raddr
    for wrong in (5, "text", None, int, asyncio, [], nothing):
        chain = follow(wrong)
        assert chain.n_links == 0 and chain.end in (CHAIN_INVALID, CHAIN_UNREADABLE)


def check_task_callable():
    """Step and wake-up as a loop is about to call them."""
    async def waits(future):
        await future

    async def program():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        task = asyncio.ensure_future(waits(future))
        found = [h._callback for h in loop._ready]
        assert [read_task(f, is_callable=1).task_raddr for f in found] == [id(task)]
        await settle()
        future.set_result(None)
        found = [h._callback for h in loop._ready]
        assert [read_task(f, is_callable=1).task_raddr for f in found] == [id(task)]
        await task

    in_loop(program)


def check_task_awaiters():
    async def sleeps(future):
        await future

    async def waits(task):
        await task

    async def program():
        future = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(sleeps(future))
        await settle()
        if not HAS_AWAITERS:
            assert read_task(task).n_awaiters == -38
            future.set_result(None)
            return await task
        assert read_task(task).n_awaiters == 0
        awaiters = []
        for n in (1, 2, 5, MAX_AWAITERS, MAX_AWAITERS + 9):
            while len(awaiters) < n:
                awaiters.append(asyncio.ensure_future(waits(task)))
            await settle()
            read = read_task(task)
            assert read.n_awaiters == min(n, MAX_AWAITERS), read.n_awaiters
            got = set(read.awaiters[: read.n_awaiters])
            assert got <= set(map(id, awaiters)) and len(got) == read.n_awaiters
        future.set_result(None)
        await asyncio.gather(*awaiters)

    in_loop(program)


def check_task_awaiters_that_left():
    """The set of those that wait keeps the places of those that do not any more: it is read in
    pieces, and they are passed over. Asked one by one, what they are, they cost a millisecond."""

    async def waits(future):
        await future

    def seconds(task):
        best = 1
        for _ in range(101):
            begin = time.perf_counter()
            read_task(task)
            best = min(best, time.perf_counter() - begin)
        return best

    async def program():
        if not HAS_AWAITERS:
            return
        future = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(waits(future))
        awaiters = [asyncio.ensure_future(waits(task)) for _ in range(3)]
        await settle()
        few = seconds(task)
        awaiters += [asyncio.ensure_future(waits(task)) for _ in range(900)]
        await settle()
        for awaiter in awaiters[3:]:
            asyncio.future_discard_from_awaited_by(task, awaiter)
        read = read_task(task)
        assert set(read.awaiters[: read.n_awaiters]) <= set(map(id, awaiters[:3]))
        assert seconds(task) < few + 400e-6, (seconds(task), few)
        future.set_result(None)
        await asyncio.gather(*awaiters)

    in_loop(program)


#
# Other threads
#


class Other:
    """A thread that runs a program, until it is told to end."""

    def __init__(self, program):
        self.is_over = False
        self.ready = threading.Event()
        self.thread = threading.Thread(target=program, args=(self,), daemon=True)

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(10)
        return self

    def __exit__(self, *exc):
        self.is_over = True
        self.thread.join()

    def stack(self, library, **more):
        request = probe.request(self.thread.ident, **more)
        return request, probe.walk(library, request)


def sleeps(other):
    def nap():
        while not other.is_over:
            other.ready.set()
            time.sleep(0.05)

    [nap() for _ in range(1)]


def spins(other):
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    def turn():
        return sum(fib(n) for n in range(9))

    other.ready.set()
    while not other.is_over:
        turn()


def loops(other):
    n = 0
    other.ready.set()
    while not other.is_over:
        n += 1
        n -= 1


def compare_other(other, **more):
    """Nobody runs while the GIL is held, so both answers are of the same moment."""
    request, stack = other.stack(probe.holding, **more)
    want = expected(sys._current_frames()[other.thread.ident])
    request = probe.request()
    compare(probe.lines(request, stack), want, stack.end)


def check_thread_asleep():
    with Other(sleeps) as other:
        for _ in range(5):
            compare_other(other)
            compare_other(other, how=SAMPLE)
            time.sleep(0.013)


def check_thread_held():
    for program in (spins, loops):
        with Other(program) as other:
            for _ in range(50):
                # Switch threads first; no call with the GIL let go is between the two answers.
                time.sleep(0)
                interval = sys.getswitchinterval()
                sys.setswitchinterval(60)
                try:
                    compare_other(other)
                finally:
                    sys.setswitchinterval(interval)


def check_thread_running():
    """While it runs: what is kept is true as far as it goes."""
    depth, counts = {}, [0] * len(END_NAMES)
    n_samples = 5000 if "--bench" in sys.argv else 300
    with Other(spins) as other:
        outer = expected(sys._current_frames()[other.thread.ident])
        outer = [name.split(".")[-1] for _, name, _ in outer]
        outer = outer[outer.index("spins"):]
        # A smaller number is called by a larger one, or by itself.
        order = {"fib": 0, "<genexpr>": 1, "turn": 2}
        for _ in range(n_samples):
            request, stack = other.stack(probe.releasing, how=SAMPLE)
            counts[stack.end] += 1
            got = [name.split(".")[-1] for _, name, _ in probe.lines(probe.request(), stack)]
            depth[len(got)] = depth.get(len(got), 0) + 1
            if stack.end not in (END_COMPLETE, END_TORN) or not got:
                continue
            assert got[-len(outer):] == outer[-len(got):], (END_NAMES[stack.end], got)
            ranks = [order[name] for name in got[:-len(outer)] if name in order]
            assert ranks == sorted(ranks), (END_NAMES[stack.end], got)
    assert counts[END_COMPLETE] + counts[END_TORN] > n_samples // 2, counts
    if "--bench" in sys.argv:
        print("  running thread: " + ", ".join("%s %d" % x for x in zip(END_NAMES, counts)),
              "depths", dict(sorted(depth.items())))


N_LEVELS = 16
LONG = os.environ.get("LOOPHOUND_TEST_LONG") == "1"


def make_levels(with_generators):
    """Functions of which each calls the next only, as often and as deep as a number says."""
    lines = []
    for k in range(N_LEVELS):
        is_generator = with_generators and k % 5 == 3
        is_next_generator = with_generators and (k + 1) % 5 == 3
        call = "level_%d(x%s)" % (k + 1, ", 1" * ((k + 1) % 4))
        if is_next_generator:
            call = "sum(%s) & 0x7fffffff" % call
        lines.append("def level_%d(x%s):" % (k, "".join(", a%d=0" % i for i in range(k % 4))))
        lines.extend(" b%d = x" % i for i in range(k * 7 % 11))
        lines.append(" x = (x * 1103515245 + 12345) & 0x7fffffff")
        if k + 1 < N_LEVELS:
            lines.append(" if x & 0x7000 > 0x1000: x = " + call)
            lines.append(" if x & 0xc00: x ^= " + call)
        lines.append(" yield x" if is_generator else " return x")
    scope = {}
    exec(compile("\n".join(lines), "<levels>", "exec"), scope)
    return lines, [scope["level_%d" % k] for k in range(N_LEVELS)]


def adversary(with_generators):
    def drives(other):
        x, first = 1, levels[0]
        other.ready.set()
        while not other.is_over:
            x = first(x)

    lines, levels = make_levels(with_generators)
    a = Adversary(n_samples=1000000 if LONG else 20000)
    with Other(drives) as other:
        frame, outer = sys._current_frames()[other.thread.ident], []
        while frame is not None:
            outer.insert(0, frame.f_code)
            frame = frame.f_back
        outer = outer[: outer.index(drives.__code__) + 1]
        codes = list(map(id, outer + [level.__code__ for level in levels]))
        a.codes[: len(codes)], a.n_codes, a.n_outer = codes, len(codes), len(outer)
        request = probe.request(other.thread.ident)
        begin = time.monotonic()
        r = probe.releasing.probe_adversary(ctypes.byref(request), ctypes.byref(a))
        spent = time.monotonic() - begin
        assert r == 0, r
    if LONG or "--bench" in sys.argv:
        print("  adversary%s: %d samples in %.0f s, %s, errors %d, wrong %d, %.1f frames" % (
            " with generators" * with_generators, a.n_samples, spent,
            ", ".join("%s %d" % x for x in zip(END_NAMES, a.n_ends)), a.n_errors, a.n_wrong,
            a.n_frames / max(1, a.n_samples)))
    wrong = [a.wrong.frames[i].code_raddr for i in range(a.wrong.n_frames)]
    assert not a.n_wrong, (a.n_wrong, END_NAMES[a.wrong.end], [
        codes.index(raddr) if raddr in codes else hex(raddr) for raddr in wrong])
    # How many are complete says how many cores are free, and nothing about the reader.
    assert a.n_ends[END_COMPLETE] and a.n_frames > a.n_samples // 10, (list(a.n_ends), a.n_frames)
    # A frame that called another stands at one of its calls.
    wrong = []
    for pair, n_seen in zip(a.pairs[: a.n_pairs], a.n_seen):
        path, function, line = probe.describe(probe.request(), pair)
        if path == "<levels>":
            called = "level_%d(" % (int(function.split("_")[1]) + 1)
            if called not in lines[line - 1]:
                wrong.append((function, lines[line - 1], n_seen))
    assert 0 < a.n_pairs < MAX_PAIRS
    assert not wrong, (sum(n for _, _, n in wrong), wrong)


def check_adversary():
    adversary(False)


def check_adversary_generators():
    adversary(True)


def check_generator_let_go():
    """A thread preempted just as its generator has let go of the caller: that is no whole stack."""
    def yields():
        yield

    generator = yields()
    next(generator)
    frame_raddr = id(generator.gi_frame)
    if sys.version_info >= (3, 11):
        # PyFrameObject.f_frame, behind ob_base and f_back.
        frame_raddr = ctypes.c_uint64.from_address(frame_raddr + object.__basicsize__ + 8).value
    with Other(sleeps) as other:
        for how in (SAMPLE, STABLE):
            request, stack = probe.request(other.thread.ident, how=how), Stack()
            r = probe.holding.probe_stand_in(
                ctypes.byref(request), ctypes.c_uint64(frame_raddr), ctypes.byref(stack))
            assert r == 0, r
            codes = [frame.code_raddr for frame in stack.frames[:stack.n_frames]]
            assert codes in ([], [id(yields.__code__)]), codes
            assert stack.end == END_INVALID, END_NAMES[stack.end]
            compare_other(other, how=how)


def check_adversary_freed():
    """Code made, run and dropped all the time, at the same addresses: names belong together."""
    def makes(other):
        n, scope = 0, {"spin": spin}
        other.ready.set()
        while not other.is_over:
            n += 1
            name = "f_%d" % n
            code = compile("def %s(n):\n spin(n)\n%s(%d)" % (name, name, n % 500), "/made/" + name, "exec")
            exec(code, scope)
            del scope[name]

    def spin(n):
        while n:
            n -= 1

    freed = Freed(n_samples=100000 if LONG else 5000)
    with Other(makes) as other:
        request = probe.request(other.thread.ident)
        r = probe.releasing.probe_freed(ctypes.byref(request), ctypes.byref(freed))
        assert r == 0, r
    if LONG or "--bench" in sys.argv:
        print("  freed code: %d samples, %d of %d frames gone when named, %d of such code named, wrong %d"
              % (freed.n_samples, freed.n_gone, freed.n_frames, freed.n_named, freed.n_wrong))
    assert not freed.n_wrong, (freed.n_wrong, freed.wrong.file, freed.wrong.function)
    assert freed.n_frames and (freed.n_named or not LONG)


def check_self():
    """The reader's answer against the interpreter's, right and wrong."""
    def answer(request, code, line):
        r = probe.holding.probe_check(ctypes.byref(request), ctypes.c_uint64(id(code)), line)
        return r

    here = sys._getframe().f_code
    inner = answer.__code__
    line = inner.co_firstlineno + 1
    for thread in (0, threading.get_ident()):
        request = probe.request(thread)
        assert answer(request, inner, line) == 0
        assert answer(request, inner, 0) == 0
        assert answer(request, inner, line + 1) == E_MISREAD
        assert answer(request, here, line) == E_MISREAD
        # Layouts of other versions: refused one way or another.
        for minor in range(8, 16):
            wrong = Request(0, 0x030000F0 | minor << 16, threading.get_ident(), 0, 1)
            # 3.8 and 3.9 are alike in all that is read of a stack.
            if {minor, sys.version_info[1]} - {8, 9} and minor != sys.version_info[1]:
                assert answer(wrong, inner, line) != 0, minor


def check_no_thread():
    request, stack, ns = probe.request(12345), Stack(), ctypes.c_uint64()
    r = probe.holding.probe_walk(ctypes.byref(request), ctypes.byref(stack), ctypes.byref(ns))
    assert r == 3, r


def check_unknown_version():
    stack, ns = Stack(), ctypes.c_uint64()
    for version in (0x03070FF0, 0x031000F0, 0x030D00A1, 0x020718F0, 0, 0x030B00B1):
        request = Request(0, version, 0, 0, 1)
        r = probe.holding.probe_walk(ctypes.byref(request), ctypes.byref(stack), ctypes.byref(ns))
        assert r == 1, (version, r)


def check_wrong_version():
    """Another version's layout gives an error or no frames, but never a wrong frame."""
    want = None
    for minor in range(8, 16):
        if minor == sys.version_info[1]:
            continue
        request = Request(0, 0x030000F0 | minor << 16, threading.get_ident(), 0, 1)
        stack, ns = Stack(), ctypes.c_uint64()
        r = probe.holding.probe_walk(ctypes.byref(request), ctypes.byref(stack), ctypes.byref(ns))
        if r:
            continue
        want = {id(f) for f in codes_of(sys._getframe())}
        for i in range(stack.n_frames):
            assert stack.frames[i].code_raddr in want, (minor, i)


def codes_of(frame):
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back


def check_other_process():
    """A forked child, read from here: the same addresses in another address space."""
    ready, tell = os.pipe()
    hold, release = os.pipe()

    def in_child():
        os.write(tell, b".")
        os.read(hold, 1)

    pid = os.fork()
    if pid == 0:
        try:
            os.close(release)
            in_child()
        finally:
            os._exit(0)
    try:
        os.read(ready, 1)
        wait_until_asleep(pid)
        # The forking thread lives on in the child under its own pthread_t.
        request = probe.request(threading.get_ident(), pid=pid, how=SAMPLE)
        try:
            stack = probe.walk(probe.holding, request)
        except AssertionError as e:
            if str(e) in ("walk returned -1", "walk returned -13"):
                raise Skip("may not read another process")
            raise
        got = probe.lines(request, stack)
        want = expected(sys._getframe())
        assert stack.end == END_COMPLETE, stack.end
        assert got[0][1].split(".")[-1] == "in_child" and got[2:] == want[1:], got
    finally:
        os.close(release)
        os.waitpid(pid, 0)
        for fd in (ready, tell, hold):
            os.close(fd)


def wait_until_asleep(pid):
    for _ in range(1000):
        with open("/proc/%d/stat" % pid) as f:
            if f.read().rsplit(")", 1)[1].split()[0] == "S":
                return
        time.sleep(0.001)


#
# Figures, on demand: they are no checks
#


def bench():
    def down(n, f):
        return f() if n == 0 else down(n - 1, f)

    def measure():
        n = len(expected(sys._getframe()))
        ident = threading.get_ident()
        result = []
        for thread, how, repeats in ((0, 0, 20000), (ident, 0, 2000), (ident, 1, 1000), (ident, 2, 1000)):
            request = probe.request(thread, how=how, n_repeats=repeats)
            best = min((probe.walk(probe.holding, request), probe.last_ns)[1] for _ in range(5))
            result.append(best)
        request, ns, best = probe.request(n_repeats=2000), ctypes.c_uint64(), 1 << 60
        for _ in range(5):
            probe.holding.probe_describe_own(ctypes.byref(request), ctypes.byref(ns))
            best = min(best, ns.value)
        request = probe.request(n_repeats=20000)
        probe.recall(request)
        recalled = min((probe.recall(request), probe.last_ns)[1] for _ in range(5))
        request = probe.request(ident, how=SAMPLE, n_repeats=1000)
        sampled = min((probe.recall(request), probe.last_ns)[1] for _ in range(5))
        print("      own with names: first %.1f us, recalled %.2f us; sampled and recalled %.1f us"
              % (best / 1e3, recalled / 1e3, sampled / 1e3))
        print("  %3d frames: own %d ns, remote %.1f us, stable %.1f us, sample %.1f us"
              % (n, result[0], result[1] / 1e3, result[2] / 1e3, result[3] / 1e3))

    for depth in (6, 10, 26, 90):
        down(depth, measure)


def main():
    global probe, reader
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    if len(arguments) != 1:
        print("usage: run.py PROBE.so [--bench]", file=sys.stderr)
        return 2
    probe = Probe(os.path.abspath(arguments[0]))
    reader = Reader()
    try:
        own_stack()
    except AssertionError as e:
        if str(e) not in ("the other process: walk returned -1", "the other process: walk returned -13"):
            raise
        # The rest is checked all the same; the last line says what was not.
        reader.is_allowed = False
    if "--shutdown" in sys.argv:
        return shut_down()
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    if not reader.is_allowed:
        counts["skipped"] += 1
        print("skip reading from another process: not permitted here")
    only = [a[len("--only="):] for a in sys.argv[1:] if a.startswith("--only=")]
    checks = [(n, f) for n, f in sorted(globals().items())
              if n.startswith("check_") and (not only or any(o in n for o in only))]
    for name, check in checks:
        try:
            check()
            counts["passed"] += 1
        except Skip as e:
            counts["skipped"] += 1
            print("skip %s: %s" % (name, e))
        except Exception as e:
            counts["failed"] += 1
            print("FAILED %s: %s: %s" % (name, type(e).__name__, ascii(str(e))[:600]))
    reader.end()
    print("%d of %d stacks were compared with the native one" % (counted[1], sum(counted)))
    if "--bench" in sys.argv:
        bench()
    print("%d passed, %d failed, %d skipped" % tuple(counts.values()))
    return 1 if counts["failed"] else 0 if counts["passed"] else 77


if __name__ == "__main__":
    sys.exit(main())
