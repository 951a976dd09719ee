# SPDX-License-Identifier: Apache-2.0
"""Groups are caught, whole or by kind."""
# NEEDS: 3.11
import asyncio

import _loops


async def fails():
    raise ValueError("in the group")


async def group_of():
    async with asyncio.TaskGroup() as group:
        group.create_task(fails())


async def by_kind():
    try:
        await group_of()
    except* ValueError:
        pass


async def whole():
    try:
        await group_of()
    except ExceptionGroup:
        pass


async def of_a_task():
    task = asyncio.ensure_future(group_of())
    await asyncio.wait([task])
    assert isinstance(task.exception(), ExceptionGroup)


for form in (by_kind, whole, of_a_task):
    for _ in range(3):
        _loops.run(form())
try:
    _loops.run(group_of())
except* ValueError:
    print("done", flush=True)
