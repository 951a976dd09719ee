# SPDX-License-Identifier: Apache-2.0
"""As nested_run, with a coroutine handed to the loop, which uvloop makes a task before it refuses."""
import asyncio

import _loops


async def work():
    return 7


async def the_same_loop():
    loop = asyncio.get_running_loop()
    try:
        loop.run_until_complete(work())  # BAD: nested-run 1
    except RuntimeError:
        pass


async def another_loop():
    for _ in range(23):
        loop = _loops.new_loop()
        try:
            loop.run_until_complete(work())  # BAD: nested-run 23
        except RuntimeError:
            pass
        loop.close()
        await work()


def third(loop):
    loop.run_until_complete(work())  # BAD: nested-run 23


async def often():
    for _ in range(23):
        try:
            third(asyncio.get_running_loop())
        except RuntimeError:
            await work()


for form in (the_same_loop, another_loop, often):
    _loops.run(form())
print("done")
