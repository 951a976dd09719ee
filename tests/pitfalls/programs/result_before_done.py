# SPDX-License-Identifier: Apache-2.0
"""A task's result is read before it is done."""
import asyncio

import _loops
import somelib


async def value():
    await asyncio.sleep(0)
    return 7


async def plain():
    task = asyncio.ensure_future(value())
    try:
        task.result()  # BAD: result-before-done 1
    except asyncio.InvalidStateError:
        pass
    await task


async def plain_exception():
    task = asyncio.ensure_future(value())
    try:
        task.exception()  # BAD: result-before-done 1
    except asyncio.InvalidStateError:
        pass
    await task


def third(task):
    return somelib.read(task)  # BAD: result-before-done 1


async def deep():
    task = asyncio.ensure_future(value())
    try:
        await asyncio.wait_for(somelib.later(third, task), 5)
    except asyncio.InvalidStateError:
        pass
    await task


async def interleaved():
    for i in range(23):
        early, late = asyncio.ensure_future(value()), asyncio.ensure_future(value())
        try:
            early.result()  # BAD: result-before-done 23
        except asyncio.InvalidStateError:
            pass
        await early
        await late
        assert early.result() + late.result() == 14


async def of_a_future():
    future = asyncio.get_running_loop().create_future()
    try:
        future.result()  # BAD: result-before-done 1
    except asyncio.InvalidStateError:
        future.set_result(None)
    await future


for form in (plain, plain_exception, deep, interleaved, of_a_future):
    _loops.run(form())
print("done")
