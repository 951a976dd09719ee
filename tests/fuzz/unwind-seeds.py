# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of corpus/unwind: unwind-seeds.py FOLDER

Tables as compilers and libc write them: an index, entries with a personality, a signal frame whose
registers are found by expressions, a PLT, a state remembered and taken up again.
"""
import os
import struct
import sys


def entry(body):
    body += bytes(-(len(body) + 4) % 8)
    return struct.pack("<I", len(body)) + body


def tables(augmentation, data, common, functions):
    """functions: (begin, size, instructions), relative to the header."""
    header_bytes = 12 + 8 * len(functions)
    cie = entry(struct.pack("<IB", 0, 1) + augmentation + b"\0" + b"\1\x78\x10" +
                bytes([len(data)]) + data + common)
    out, at, index = cie, header_bytes + len(cie), b""
    for begin, size, instructions in functions:
        fde = entry(struct.pack("<Iii", at + 4 - header_bytes, begin - (at + 8), size) + b"\0" +
                    instructions)
        index += struct.pack("<ii", begin, at)
        out += fde
        at += len(fde)
    return b"\1\x1b\x03\x3b" + struct.pack("<iI", header_bytes - 4, len(functions)) + index + out


USUAL = b"\x0c\x07\x08\x90\x01"  # CFA is rsp + 8, rip at CFA - 8
PUSHES = b"\x41\x0e\x10\x86\x02\x43\x0d\x06\x0a\x44\x0c\x07\x08\xc6\x41\x0b\x02\x10\x0e\x40"
SIGNAL = b"\x0f\x04\x77\xa0\x01\x06" + b"".join(
    b"\x10" + bytes([reg, 3, 0x77]) + struct.pack("<BB", 0x80 | (40 + 8 * reg) & 0x7f, 1)
    for reg in (3, 6, 7, 16))
PLT = b"\x0e\x10\x46\x0e\x18\x4a\x0f\x0b\x77\x08\x80\x00\x3f\x1a\x3b\x2a\x33\x24\x22"

SEEDS = {
    "usual": (4096 + 40, tables(b"zR", b"\x1b", USUAL, [(4096, 200, PUSHES)])),
    "many": (4096 + 777, tables(b"zR", b"\x1b", USUAL, [
        (4096 + 16 * i, 16, PUSHES) for i in range(90)])),
    "personality": (4100, tables(b"zPLR", b"\x9b\0\0\0\0\x1b\x1b", USUAL, [(4096, 64, PUSHES)])),
    "signal": (4096, tables(b"zRS", b"\x1b", b"", [(4096, 10, SIGNAL)])),
    "plt": (4096 + 27, tables(b"zR", b"\x1b", USUAL, [(4096, 64, PLT)])),
    "outermost": (4098, tables(b"zR", b"\x1b", USUAL + b"\x07\x10", [(4096, 34, b"")])),
}

for name, (rip, content) in SEEDS.items():
    with open(os.path.join(sys.argv[1], name), "wb") as file:
        file.write(struct.pack("<i", rip) + content)
