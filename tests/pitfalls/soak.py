# SPDX-License-Identifier: Apache-2.0
"""Tasks, cancellations, gathers and timeouts, all used right: soak.py LOOP TASKS.

Ends with a line: growth of the resident memory in KiB since a tenth of the way, and how many objects
there are that the garbage collector knows.
"""
import asyncio
import gc
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "programs"))

import _loops  # noqa: E402

# What one round makes, so that ten parts in a hundred are cancelled, gathered and timed out.
ROUND_TASKS = 100


def resident_kib():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * (os.sysconf("SC_PAGESIZE") // 1024)


async def job(number):
    for _ in range(number % 3):
        await asyncio.sleep(0)
    return number


async def waits():
    try:
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(0)


async def fails():
    await asyncio.sleep(0)
    raise ValueError("expected")


async def cancelled():
    task = asyncio.ensure_future(waits())
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return 1
    raise AssertionError


async def timed_out():
    try:
        await asyncio.wait_for(waits(), 0)
    except asyncio.TimeoutError:
        return 1
    raise AssertionError


async def one_round():
    assert sum([await asyncio.gather(*(cancelled() for _ in range(10)))][0]) == 10
    assert sum(await asyncio.gather(*(timed_out() for _ in range(10)))) == 10
    results = await asyncio.gather(*(fails() for _ in range(5)), return_exceptions=True)
    assert all(isinstance(result, ValueError) for result in results)
    left = ROUND_TASKS - 10 * 2 - 10 * 2 - 5
    assert sum(await asyncio.gather(*map(job, range(left)))) == left * (left - 1) // 2
    for _ in range(10):
        assert await asyncio.gather(job(1), job(2)) == [1, 2]


async def main(n_tasks):
    n_rounds = n_tasks // ROUND_TASKS
    for number in range(n_rounds):
        await one_round()
        if number == n_rounds // 10:
            gc.collect()
            before_kib = resident_kib()
    gc.collect()
    return resident_kib() - before_kib, len(gc.get_objects())


print(*_loops.run(main(int(sys.argv[2]))))
