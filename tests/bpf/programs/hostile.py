# SPDX-License-Identifier: Apache-2.0
"""Links its frames to what is none while it sleeps: to themselves, and to nowhere; and so their code."""
import asyncio
import ctypes
import gc
import sys
import time

WILD = (0xdead0000, 0xffffffff81000000, 1, 0x7fffffffffff, 0xffffffffffffffff)
MINOR = sys.version_info[:2]


def raddr(frame):
    """Of what the interpreter walks: from 3.11 on a frame object only points to that."""
    return ctypes.c_uint64.from_address(id(frame) + 24).value if MINOR >= (3, 11) else id(frame)


def previous(frame):
    offset = 24 if MINOR < (3, 11) else 48 if MINOR == (3, 11) else 8
    return ctypes.c_uint64.from_address(raddr(frame) + offset)


def code(frame):
    return ctypes.c_uint64.from_address(raddr(frame) + (32 if MINOR < (3, 12) else 0))


def sleeps_on(word, value):
    true = word.value
    word.value = value
    time.sleep(0.03)
    word.value = true


def links(value):
    """It is not this frame that is walked on to, but the one that sleeps."""
    frame = sys._getframe()
    sleeps_on(previous(frame), raddr(frame) if value == "cycle" else value)


def runs(value):
    sleeps_on(code(sys._getframe()), value)


async def main():
    gc.disable()  # From 3.14 on it walks over the frames.
    # A loop is known by its first wait of some length, whole as it is.
    for _ in range(2):
        await asyncio.sleep(0.1)
    for value in ("cycle", *WILD) * 3:
        await asyncio.sleep(0.002)
        links(value)
    for value in WILD:
        await asyncio.sleep(0.002)
        runs(value)
    time.sleep(0.03)  # BAD: blocking-call 1


asyncio.run(main())
