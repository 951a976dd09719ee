# SPDX-License-Identifier: Apache-2.0
"""Computes for 67 ms, then for 151 ms, with a fifth of a CPU; says how long both took, in ns."""
import asyncio
import time

import either


def computes(ns):
    began, ran = time.monotonic_ns(), time.thread_time_ns()
    while time.thread_time_ns() - ran < ns:  # BAD: slow-callback
        pass
    print(time.monotonic_ns() - began)


async def main():
    loop = asyncio.get_running_loop()
    for ns in 67_000_000, 151_000_000:
        await asyncio.sleep(0.01)
        loop.call_soon(computes, ns)
    await asyncio.sleep(0.01)


either.run(main())
