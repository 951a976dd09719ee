# SPDX-License-Identifier: Apache-2.0
"""Thousands of tasks are made at one line in one turn."""
# NEEDS: task-flood=503
import asyncio

import _loops
import somelib


async def work():
    await asyncio.sleep(0)


async def plain():
    tasks = [asyncio.ensure_future(work()) for _ in range(5003)]  # BAD: task-flood 1
    for task in tasks:
        await task


def third(number):
    return asyncio.gather(*(work() for _ in range(number)))  # BAD: task-flood 1


def second(number):
    return third(number)


async def deep():
    await (await somelib.later(second, 503))


async def interleaved():
    for _ in range(23):
        await asyncio.gather(*(work() for _ in range(509)))  # BAD: task-flood 23
        await asyncio.gather(*(work() for _ in range(499)))


for form in (plain, deep, interleaved):
    _loops.run(form())
print("done")
