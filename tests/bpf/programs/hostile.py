# SPDX-License-Identifier: Apache-2.0
"""Links its frames to what is none while it sleeps: to themselves, and to nowhere (3.8 to 3.10)."""
import asyncio
import ctypes
import sys
import time

FRAME_BACK = 24


def sleeps_on(link):
    frame = sys._getframe()
    back = ctypes.c_uint64.from_address(id(frame) + FRAME_BACK)
    true = back.value
    back.value = id(frame) if link == "cycle" else link
    time.sleep(0.03)
    back.value = true


async def main():
    for link in ("cycle", 0xdead0000, 0xffffffff81000000, 1, 0x7fffffffffff) * 3:
        await asyncio.sleep(0.002)
        sleeps_on(link)
    time.sleep(0.03)  # BAD: blocking-call 1


asyncio.run(main())
