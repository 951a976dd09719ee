# SPDX-License-Identifier: Apache-2.0
"""A TaskGroup that is over, was never entered, or is entered by `with`."""
# NEEDS: 3.11
import asyncio

import _loops
import somelib


async def work():
    await asyncio.sleep(0)
    return 7


async def over():
    async with asyncio.TaskGroup() as group:
        group.create_task(work())
    try:
        group.create_task(work())  # BAD: taskgroup-misuse 1
    except RuntimeError:
        pass


async def not_entered():
    group = asyncio.TaskGroup()
    try:
        group.create_task(work())  # BAD: taskgroup-misuse 1
    except RuntimeError as error:
        kept.append(error)


def third(group):
    somelib.call(group.create_task, work())  # BAD: taskgroup-misuse 1


def second(group):
    third(group)


async def deep():
    async with asyncio.TaskGroup() as group:
        pass
    try:
        await somelib.later(second, group)
    except RuntimeError:
        pass


async def interleaved():
    for _ in range(23):
        async with asyncio.TaskGroup() as group:
            group.create_task(work())
        try:
            group.create_task(work())  # BAD: taskgroup-misuse 23
        except RuntimeError:
            await work()


async def with_only():
    try:
        with asyncio.TaskGroup() as group:  # BAD: taskgroup-misuse 1
            group.create_task(work())
    except TypeError:
        pass


async def with_only_in_a_task():
    with asyncio.TaskGroup() as group:  # BAD: taskgroup-misuse 1
        group.create_task(work())


async def nobody_looks():
    asyncio.ensure_future(with_only_in_a_task())
    await asyncio.sleep(0)


async def with_only_to_the_end():
    with asyncio.TaskGroup() as group:  # BAD: taskgroup-misuse 1
        group.create_task(work())


kept = []
for form in (over, not_entered, deep, interleaved, with_only):
    _loops.run(form())
_loops.run(nobody_looks())
print("done", flush=True)
_loops.run(with_only_to_the_end())
