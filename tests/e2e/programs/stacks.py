# SPDX-License-Identifier: Apache-2.0
"""Holds its loop once in each of many ways of being called, and says where.

    stacks.py sleep|spin

Each scene ends in a leaf of its own that blocks, by a system call or by a C call that keeps the
GIL. The frames that a scene has are asked of the interpreter in that same line. Last on stdout,
after "STACKS": {leaf: [[file, function, line], ...]}, innermost first, as JSON.
"""
import asyncio
import atexit
import ctypes
import functools
import json
import os
import sys
import threading
import time

HOW = sys.argv[1]
expected = {}


def name_of(code):
    return getattr(code, "co_qualname", code.co_name)


def expect(leaf):
    frame, frames = sys._getframe(1), []
    while frame:
        frames.append([frame.f_code.co_filename, name_of(frame.f_code), frame.f_lineno])
        frame = frame.f_back
    expected[leaf] = frames


def measure_spin():
    """How large a range takes 0.25 s of CPU to add up."""
    n = 1 << 20
    while True:
        begin = time.thread_time()
        sum(range(n))
        took = time.thread_time() - begin
        if took > 0.05:
            return range(int(n * 0.25 / took))
        n *= 2


LONG = measure_spin() if HOW == "spin" else None
BLOCK = "time.sleep(0.041)" if HOW == "sleep" else "sum(LONG)"


def make_leaf(name, file=None):
    """A function of that name which blocks, in code of its own, so that it is a site of its own."""
    scope = {"expect": expect, "time": time, "LONG": LONG}
    source = f"\n\ndef {name}(*ignored):\n    expect({name!r}); {BLOCK}; return 0\n"
    exec(compile(source, file or f"<{name}>", "exec"), scope)
    return scope[name]


# --- the scenes -----------------------------------------------------------------------------------


async def nested():
    leaf = make_leaf("nested_leaf")

    async def inner():
        leaf()

    async def middle():
        await inner()

    await middle()


async def async_generator():
    leaf = make_leaf("async_generator_leaf")

    async def numbers():
        yield 1
        leaf()
        yield 2

    async for _ in numbers():
        pass


async def generator():
    leaf = make_leaf("generator_leaf")

    def numbers():
        yield 1
        yield leaf()

    def more():
        yield from numbers()

    list(more())


def fall(leaf, depth):
    if depth:
        return fall(leaf, depth - 1)
    return leaf()


async def recursion():
    fall(make_leaf("recursion_leaf"), 23)


async def lambdas():
    leaf = make_leaf("lambda_leaf")
    (lambda: (lambda: leaf())())()


async def comprehension():
    leaf = make_leaf("comprehension_leaf")
    [leaf() for _ in range(1)]


async def generator_expression():
    leaf = make_leaf("expression_leaf")
    sum(leaf() for _ in range(1))


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


async def decorator():
    leaf = make_leaf("decorator_leaf")

    @decorated
    @decorated
    def work():
        leaf()

    work()


async def sorted_with_a_key():
    sorted([1], key=make_leaf("sorted_leaf"))


async def ctypes_callback():
    leaf = make_leaf("ctypes_leaf")

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    def compare(a, b):
        if "ctypes_leaf" not in expected:
            leaf()
        return 0

    pair = (ctypes.c_int * 2)(1, 2)
    ctypes.CDLL(None).qsort(pair, 2, ctypes.sizeof(ctypes.c_int), compare)


async def executed():
    leaf = make_leaf("exec_leaf")
    exec("\n\nleaf()", {"leaf": leaf})


async def long_file_name():
    make_leaf("long_leaf", "/srv/" + "long/" * 800 + "end.py")()


async def no_utf8():
    make_leaf("bytes_leaf", os.fsdecode(b"/srv/\xff\xfe\x80.py"))()


async def unicode_names():
    leaf = make_leaf("leaf_ünïcödé", "/srv/ordner/größe_\U0001f40d.py")
    scope = {"leaf": leaf}
    exec(compile("def 函数():\n    return leaf()\ndef \U0001d4d0():\n    return 函数()\n",
                 "/srv/\U0001f600/模块.py", "exec"), scope)
    scope["A"]()  # identifiers are normalised: U+1D4D0 is A


async def several_lines():
    leaf = make_leaf("lines_leaf")
    max(
        1,
        leaf(
            1,
        ),
        2,
    )


async def one_line_branches():
    leaf = make_leaf("branch_leaf")
    if leaf is None: pass  # noqa: E701
    else: leaf()  # noqa: E701


class Thing:
    def __init__(self, leaf):
        self.leaf = leaf

    @property
    def value(self):
        return self.leaf()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        return self.value


async def special_methods():
    with Thing(make_leaf("special_leaf")):
        pass


async def in_except():
    leaf = make_leaf("except_leaf")
    try:
        raise ValueError("told to nobody")
    except ValueError:
        leaf()


async def as_a_callback():
    done = asyncio.Event()
    leaf = make_leaf("callback_leaf")
    loop = asyncio.get_running_loop()
    loop.call_soon(functools.partial(leaf, 1))
    loop.call_later(0.01, done.set)
    await done.wait()


SCENES = (nested, async_generator, generator, recursion, lambdas, comprehension,
          generator_expression, decorator, sorted_with_a_key, ctypes_callback, executed,
          long_file_name, no_utf8, unicode_names, several_lines, one_line_branches, special_methods,
          in_except, as_a_callback)


async def main():
    for scene in SCENES:
        await asyncio.sleep(0)
        await scene()
        await asyncio.sleep(0)


async def one(leaf):
    await asyncio.sleep(0)
    leaf()


def in_a_thread():
    asyncio.run(one(make_leaf("thread_leaf")))


def in_a_child():
    """What a forked child expects comes back through a pipe."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        asyncio.run(one(make_leaf("child_leaf")))
        os.write(writer, json.dumps(expected).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        told = pipe.read()
    os.waitpid(pid, 0)
    expected.update(json.loads(told))


def at_exit():
    asyncio.run(one(make_leaf("exit_leaf")))
    sys.stdout.write("STACKS" + json.dumps(expected) + "\n")


atexit.register(at_exit)
in_a_child()
asyncio.run(main())
thread = threading.Thread(target=in_a_thread)
thread.start()
thread.join()
