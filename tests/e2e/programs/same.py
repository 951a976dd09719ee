# SPDX-License-Identifier: Apache-2.0
"""One wrong line of each kind, and everything a program can see of itself: frames, tracebacks,
warnings. Prints nothing that differs from one run to the next."""
import asyncio
import sys
import time
import traceback
import warnings


def frames():
    names = []
    frame = sys._getframe(1)
    while frame:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return " < ".join(names)


def burn(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until: pass  # BAD: slow-callback 3


async def audit(what):
    await asyncio.sleep(0)
    return what


async def blocks():
    for _ in range(7):
        await asyncio.sleep(0)
        time.sleep(0.05)  # BAD: blocking-call 7
    print("in a task:", frames())


async def computes():
    for _ in range(3):
        await asyncio.sleep(0)
        burn(0.15)
    print("in a task after work:", frames())


async def forgets():
    for number in range(5):
        await asyncio.sleep(0)
        audit(number)  # BAD: never-awaited 5


async def fails(depth):
    await asyncio.sleep(0)
    if depth:
        await fails(depth - 1)
    raise ValueError("at the bottom")


def callback(what):
    print("in a callback:", what, frames())


def failing_callback():
    raise KeyError("in a callback")


async def main():
    loop = asyncio.get_running_loop()
    loop.call_soon(callback, "soon")
    loop.call_later(0.001, callback, "later")
    loop.call_soon(failing_callback)
    await asyncio.sleep(0.02)
    for coroutine in (blocks(), computes(), forgets()):
        await asyncio.ensure_future(coroutine)
    try:
        await asyncio.ensure_future(fails(3))
    except ValueError:
        traceback.print_exc()
    warnings.warn("a warning of its own")
    warnings.warn("a deprecation", DeprecationWarning)
    print("in the main task:", frames())
    return 3


if __name__ == "__main__":
    status = asyncio.run(main())
    print("outside:", frames())
    sys.exit(status)
