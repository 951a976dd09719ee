# SPDX-License-Identifier: Apache-2.0
"""Blocks on an interpreter that says it is another version: its layouts are not what they seem.

    tells_another_version.py VERSION
"""
import asyncio
import ctypes
import sys
import time

if sys.argv[1] != "its own":
    get_version = ctypes.pythonapi.Py_GetVersion
    get_version.restype = ctypes.c_void_p
    told = sys.argv[1].encode() + b" (main, Jan  1 2026, 00:00:00) [GCC]\0"
    ctypes.memmove(get_version(), told, len(told))


async def never():
    pass


async def main():
    time.sleep(0.06)  # BAD: blocking-call 1
    end = time.perf_counter() + 0.25
    while time.perf_counter() < end:
        pass
    return 7


async def named():
    return await asyncio.create_task(main(), name="a name")


print(asyncio.run(named()), sys.version_info[:2])
