#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the corpus that the pyframe fuzzers begin with: one whole small process for each version.

    pyframe-seeds.py FOLDER

Each file is an image as pyframe-image.h says: a head, and behind it a runtime, a thread with three
frames, code objects with names and line tables, two coroutines of which one awaits the other, and
the task that runs them. What the fuzzers find beyond it is kept in the same folder under its hash.
"""
import os
import re
import struct
import sys

BASE = 0x10000
HEAD_BYTES = 72
IMAGE_C = os.path.join(os.path.dirname(os.path.realpath(__file__)), "pyframe-image.c")

# By minor version: where a field stands. See common/pyframe/layout.c, which this does not share.
OLD_FRAME = dict(back=24, code=32, lasti=104, state=116, stack=72, span=128)
FRAMES = {
    8: OLD_FRAME, 9: OLD_FRAME,
    10: dict(back=24, code=32, lasti=96, state=108, stack=64, depth=80, span=128),
    11: dict(back=48, code=32, lasti=56, owner=69, stack=64, locals=72, span=112),
    12: dict(back=8, code=0, lasti=56, owner=70, stack=64, locals=72, span=112),
    13: dict(back=8, code=0, lasti=56, owner=70, stack=64, locals=72, span=112),
    14: dict(back=8, code=0, lasti=56, owner=74, stack=64, locals=80, span=120),
    15: dict(back=8, code=0, lasti=56, owner=74, stack=64, locals=80, span=120),
}
CODES = {m: dict(first=40, file=104, name=112, table=120, string=48) for m in (8, 9, 10)}
CODES.update({m: dict(first=68, file=112, name=120, qualname=128, table=136, bytecode=b)
              for m, b in ((12, 192), (13, 200), (14, 208), (15, 208))})
CODES[11] = dict(first=72, file=112, name=120, qualname=128, table=136, bytecode=184)
THREADS = {8: (24, 176), 9: (24, 176), 10: (24, 176), 11: (56, 152), 12: (56, 136), 13: (72, 152),
           14: (72, 152), 15: (72, 176)}
RUNTIMES = {8: (32, 8), 9: (32, 8), 10: (32, 8), 11: (40, 16), 12: (40, 72), 13: (632, 7344),
            14: (808, 7344), 15: (936, 7336)}
GENS = {8: dict(frame=16), 9: dict(frame=16), 10: dict(frame=16), 11: dict(iframe=80, state=75),
        12: dict(iframe=72, state=67), 13: dict(iframe=72, state=67),
        14: dict(iframe=72, state=67), 15: dict(iframe=72, state=67)}
TASKS = {8: (144, 112, 120), 9: (184, 152, 160), 10: (192, 160, 168), 11: (176, 136, 144),
         12: (176, 136, 144), 13: (144, 120, 128), 14: (168, 112, 120), 15: (168, 112, 120)}
AWAITING = {11: -1, 12: -1, 13: -1, 14: -1, 15: 2}


def offsets_words(minor):
    """The rest of a runtime's description of itself, as pyframe-image.c has it."""
    with open(IMAGE_C, encoding="utf-8") as file:
        body = re.search(r"offsets_3_%d\[\] = \{(.*?)\};" % minor, file.read(), re.S).group(1)
    return [int(word) for word in re.findall(r"\d+", body)]


class Image:
    def __init__(self, minor):
        self.minor = minor
        self.bytes = bytearray(HEAD_BYTES)

    def add(self, size, **words):
        """Room for an object; words at offsets. Return: its address."""
        self.bytes += bytes(-len(self.bytes) % 16)
        raddr = BASE + len(self.bytes)
        self.bytes += bytes(size)
        for offset, value in words.items():
            self.put(raddr + int(offset[1:]), value)
        return raddr

    def put(self, raddr, value, form="<Q"):
        struct.pack_into(form, self.bytes, raddr - BASE, value)

    def add_chars(self, chars):
        raddr = self.add(len(chars) + 1)
        self.bytes[raddr - BASE: raddr - BASE + len(chars)] = chars
        return raddr

    def add_type(self, name, size=0, flags=0):
        raddr = self.add(424, _24=self.add_chars(name), _32=size, _168=flags)
        return raddr

    def add_str(self, text):
        old = self.minor <= 11
        is_ascii = text.isascii()
        kind = 1 if is_ascii else 2
        chars = text.encode("latin-1" if is_ascii else "utf-16-le")
        begin = (48 if old else 40) if is_ascii else (72 if old else 56)
        shift = 2
        state = (kind | 8 | is_ascii << 4) << shift
        raddr = self.add(begin + len(chars) + 4, _8=self.str_type, _16=len(text))
        self.put(raddr + 32, state, "<I")
        self.bytes[raddr - BASE + begin: raddr - BASE + begin + len(chars)] = chars
        return raddr

    def add_bytes(self, content):
        raddr = self.add(32 + len(content) + 1, _16=len(content))
        self.bytes[raddr - BASE + 32: raddr - BASE + 32 + len(content)] = content
        return raddr

    def add_code(self, file, name, bytecode):
        at = CODES[self.minor]
        raddr = self.add(208 + len(bytecode), _0=1, _8=self.code_type)
        table = {8: bytes([2, 1, 4, 2, 6, 0xff]), 9: bytes([2, 1, 4, 2, 6, 0xff]),
                 10: bytes([4, 1, 4, 2, 2, 0x80])}
        entries = bytes([0x80, 0x11, 0xd9, 5, 9, 0xf1, 0x42, 1, 0xe9, 0x43, 1, 0xf8])
        self.put(raddr + at["file"], self.add_str(file))
        self.put(raddr + at["name"], self.add_str(name))
        self.put(raddr + at.get("qualname", at["name"]), self.add_str("Class." + name))
        self.put(raddr + at["table"], self.add_bytes(table.get(self.minor, entries)))
        self.put(raddr + at["first"], 10, "<I")
        if "string" in at:
            self.put(raddr + at["string"], self.add_bytes(bytecode))
        else:
            begin = raddr - BASE + at["bytecode"]
            self.bytes[begin: begin + len(bytecode)] = bytecode
        return raddr

    def fill_frame(self, raddr, code, back, owner, awaited=None):
        at = FRAMES[self.minor]
        self.put(raddr + at["back"], back)
        self.put(raddr + at["code"], code | (1 if self.minor >= 14 else 0))
        if "owner" in at:
            self.put(raddr + at["lasti"], code + CODES[self.minor]["bytecode"] + 2)
            self.put(raddr + at["owner"], owner, "<B")
            if self.minor <= 13:
                self.put(raddr + at["stack"], 1, "<i")
            else:
                self.put(raddr + at["stack"], raddr + at["locals"] + 8 * (self.minor - 13))
        else:
            self.put(raddr + at["lasti"], 2 if self.minor < 10 else 1, "<i")
            executing = 0 if self.minor == 10 else 1
            self.put(raddr + at["state"], (255 if self.minor == 10 else 0) if awaited else executing,
                     "<B")
            top = self.add(8, _0=awaited or 0)
            self.put(raddr + at["stack"], top if self.minor == 10 else top + 8)
            if self.minor == 10:
                self.put(raddr + at["depth"], 1, "<i")
        if awaited and "locals" in at:
            self.put(raddr + at["locals"], awaited)

    def add_coroutine(self, code, awaited):
        at = GENS[self.minor]
        raddr = self.add(256, _8=self.coro_type)
        if "frame" in at:
            frame = self.add(FRAMES[self.minor]["span"])
            self.put(raddr + at["frame"], frame)
            self.put(raddr + 32 if self.minor < 10 else raddr + 24, code)
        else:
            frame = raddr + at["iframe"]
            self.put(raddr + at["state"], AWAITING[self.minor], "<b")
        self.fill_frame(frame, code, 0, 1, awaited)
        return raddr

    def add_runtime(self, interp_of):
        interp_at, threads_at = RUNTIMES[self.minor]
        raddr = self.add(max(interp_at + 8, 904))
        if self.minor >= 13:
            self.bytes[raddr - BASE: raddr - BASE + 8] = b"xdebugpy"
            self.put(raddr + 8, 0x030000f0 | self.minor << 16)
            for i, word in enumerate(offsets_words(self.minor)):
                self.put(raddr + 24 + 8 * i, word)
        # Overlapping is all right: only one word of an interpreter is looked at.
        self.put(raddr + interp_at, interp_of - threads_at)
        return raddr

    def build(self):
        minor = self.minor
        await_bytes = bytes([9, 0, 9, 0, 72 if minor < 11 else 151, 3, 9, 0])
        task_bytes, coro_at, name_at = TASKS[minor]
        self.code_type = self.add_type(b"code")
        self.str_type = self.add_type(b"str", 0, 1 << 28)
        self.coro_type = self.add_type(b"coroutine")
        int_type = self.add_type(b"int", 0, 1 << 24)
        task_type = self.add_type(b"_asyncio.Task", task_bytes, 1 << 9)
        future_iter = self.add_type(b"_asyncio.FutureIter", 0, 1 << 9)
        step_type = self.add_type(b"TaskStepMethWrapper")
        codes = [self.add_code(*names, await_bytes) for names in (
            ("/srv/app.py", "inner"), ("/srv/d\u00e9j\u00e0/\u51fd.py", "main"), ("<x>", "<module>"))]

        frame_at, id_at = THREADS[minor]
        head_word = self.add(16)
        thread = self.add(400)
        self.put(head_word, thread)
        self.put(thread + id_at, 7)
        self.put(thread + 16, head_word - RUNTIMES[minor][1])
        frames = [self.add(FRAMES[minor]["span"]) for _ in range(4)]
        for i, frame in enumerate(frames):
            is_last = i == len(frames) - 1
            if is_last and minor < 12:
                self.put(frames[i - 1] + FRAMES[minor]["back"], 0)
                break
            self.fill_frame(frame, codes[min(i, 2)], 0 if is_last else frames[i + 1],
                            3 if is_last else 0)
        cframe = self.add(24, **{"_%d" % (8 if minor == 11 else 0): frames[0]})
        self.put(thread + frame_at, cframe if minor in (11, 12) else frames[0])

        number = self.add(40, _8=int_type, _16=1 << 3 if minor >= 12 else 1)
        self.put(number + 24, 42, "<I")
        task = self.add(task_bytes, _8=task_type)
        waiter = self.add(32, _8=future_iter, _16=task)
        inner = self.add_coroutine(codes[0], waiter)
        outer = self.add_coroutine(codes[1], inner)
        self.put(task + coro_at, outer)
        self.put(task + name_at, number if minor >= 12 else self.add_str("Task-42"))
        step = self.add(32, _8=step_type, _16=task)
        if minor >= 14:
            entries = self.add(128, _16=task)
            group = self.add(200, _8=self.code_type, _32=7, _40=entries)
            self.put(task + 80, group)
            self.put(task + 93, 1, "<B")
            interp_bytes = offsets_words(minor)[3]
            words = (task_bytes, name_at, 80, 92, 93, coro_at, 136, interp_bytes, 304, 904, 304, 312,
                     320)
            described = self.add(8 * len(words))
            for i, word in enumerate(words):
                self.put(described + 8 * i, word)
            self.put(thread + 312, task)
        runtime = self.add_runtime(head_word)
        head = struct.pack("<BBHI8Q", minor - 8, 0, 300, 2, runtime, thread, codes[1],
                           self.add_str("d\u00e9j\u00e0 vu"), outer, task, self.code_type, step)
        self.bytes[:HEAD_BYTES] = head.ljust(HEAD_BYTES, b"\0")
        return bytes(self.bytes)


def main():
    for minor in range(8, 16):
        with open(os.path.join(sys.argv[1], "whole-3.%d" % minor), "wb") as file:
            file.write(Image(minor).build())


main()
