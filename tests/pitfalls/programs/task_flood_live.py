# SPDX-License-Identifier: Apache-2.0
"""Thousands of tasks are made at one line over many turns, and live at once."""
# NEEDS: task-flood=503
import asyncio

import _loops
import somelib


async def work(stop):
    await stop.wait()


async def plain(stop, tasks):
    for _ in range(701):
        tasks.append(asyncio.ensure_future(work(stop)))  # BAD: task-flood 1
        await asyncio.sleep(0)


def third(stop):
    return asyncio.ensure_future(work(stop))  # BAD: task-flood 1


def second(stop):
    return third(stop)


async def deep(stop, tasks):
    for number in range(701):
        tasks.append(await somelib.later(second, stop))
        if number % 7 == 0:
            await asyncio.sleep(0)


def more(stop, n):
    return [asyncio.ensure_future(work(stop)) for _ in range(n)]  # BAD: task-flood 1


async def both(stop, tasks):
    """Little by little, and then more in one turn: one flood."""
    for _ in range(5):
        tasks += more(stop, 101)
        await asyncio.sleep(0)
    tasks += more(stop, 1009)


async def one_of_many(stop, tasks):
    for _ in range(13):
        tasks += [asyncio.ensure_future(work(stop)) for _ in range(53)]  # BAD: task-flood 23
        await asyncio.sleep(0)


async def run(form):
    stop, tasks = asyncio.Event(), []
    await form(stop, tasks)
    stop.set()
    while tasks:
        await tasks.pop()


for form in (plain, deep, both):
    _loops.run(run(form))
for _ in range(23):
    _loops.run(run(one_of_many))
print("done")
