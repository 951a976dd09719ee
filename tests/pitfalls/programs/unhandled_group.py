# SPDX-License-Identifier: Apache-2.0
"""The group of exceptions that a TaskGroup raises is caught by nobody."""
# NEEDS: 3.11
import asyncio
import threading

import _loops
import somelib


async def fails():
    raise ValueError("in the group")


async def plain_work():
    async with asyncio.TaskGroup() as group:  # BAD: unhandled-group 1
        group.create_task(fails())


async def plain():
    asyncio.ensure_future(plain_work())
    await _loops.others_end()


async def third():
    async with asyncio.TaskGroup() as group:  # BAD: unhandled-group 1
        group.create_task(fails())


async def second():
    await third()


async def deep():
    await somelib.wait_for_it(second())


async def interleaved_work():
    async with asyncio.TaskGroup() as group:  # BAD: unhandled-group 23
        group.create_task(fails())


async def interleaved():
    for _ in range(23):
        asyncio.ensure_future(interleaved_work())
        try:
            await interleaved_work()
        except ExceptionGroup:
            pass
    await _loops.others_end()


async def of_the_program():
    try:
        async with asyncio.TaskGroup() as group:  # BAD: unhandled-group 1
            group.create_task(fails())
    except ValueError:
        pass


for form in (plain, interleaved):
    _loops.run(form())
thread = threading.Thread(target=lambda: _loops.run(deep()), name="grouped")
thread.start()
thread.join()
print("done", flush=True)
_loops.run(of_the_program())
