# SPDX-License-Identifier: Apache-2.0
"""A loop is run while a loop runs in the same thread."""
import asyncio

import _loops
import somelib


async def work():
    return 7


async def plain():
    try:
        asyncio.run(work())  # BAD: nested-run 1
    except RuntimeError:
        pass


def third():
    return somelib.call(asyncio.run, work())  # BAD: nested-run 1


def second():
    return third()


async def deep():
    try:
        await somelib.later(second)
    except RuntimeError as error:
        kept.append(error)


async def interleaved():
    for _ in range(23):
        try:
            asyncio.run(work())  # BAD: nested-run 23
        except RuntimeError:
            await work()


async def the_same_loop():
    loop = asyncio.get_running_loop()
    try:
        loop.run_forever()  # BAD: nested-run 1
    except RuntimeError:
        pass


async def another_loop():
    loop = _loops.new_loop()
    try:
        loop.run_forever()  # BAD: nested-run 1
    except RuntimeError:
        pass
    loop.close()


kept = []
for form in (plain, deep, interleaved, the_same_loop, another_loop):
    _loops.run(form())
print("done")
