# SPDX-License-Identifier: Apache-2.0
"""Results are read when they are there; errors of the same class come from elsewhere."""
import asyncio

import _loops


async def value():
    await asyncio.sleep(0)
    return 7


async def failing():
    raise asyncio.InvalidStateError("of the program's own")


async def after_the_wait():
    task = asyncio.ensure_future(value())
    await asyncio.wait([task])
    assert task.result() == 7 and task.exception() is None


async def asked_first():
    task = asyncio.ensure_future(value())
    while not task.done():
        await asyncio.sleep(0)
    assert task.result() == 7


async def failed_so():
    task = asyncio.ensure_future(failing())
    await asyncio.wait([task])
    try:
        task.result()
    except asyncio.InvalidStateError:
        assert isinstance(task.exception(), asyncio.InvalidStateError)


async def cancelled():
    task = asyncio.ensure_future(asyncio.sleep(60))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    try:
        task.result()
    except asyncio.CancelledError:
        pass


async def set_twice():
    future = asyncio.get_running_loop().create_future()
    future.set_result(7)
    try:
        future.set_result(7)
    except asyncio.InvalidStateError:
        pass
    assert future.result() == 7


for form in (after_the_wait, asked_first, failed_so, cancelled, set_twice):
    for _ in range(7):
        _loops.run(form())
print("done")
