# SPDX-License-Identifier: Apache-2.0
"""Tasks of classes, factories and names that are not the usual ones."""
import asyncio

import _loops


class Silent(Exception):
    def __repr__(self):
        raise AssertionError("asked for its repr")

    __str__ = __repr__


class Task(asyncio.Task):
    """Overrides what it can and changes nothing."""

    def cancel(self, *arguments, **keywords):
        return super().cancel(*arguments, **keywords)

    def done(self):
        return super().done()

    def __repr__(self):
        raise AssertionError("asked for its repr")


class WithDel(asyncio.Task):
    def __del__(self):
        pass


async def turns(number):
    for _ in range(number):
        await asyncio.sleep(0)


async def stubborn():
    try:
        await asyncio.sleep(100)  # BAD: swallowed-cancellation 4
    except asyncio.CancelledError:
        return 7


async def odd_failure():
    try:
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        raise Silent


async def cancelled(task):
    await turns(3)
    task.cancel()
    return await task


async def made_by_a_factory():
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, coroutine, **more: asyncio.Task(coroutine, loop=loop, **more))
    assert await cancelled(loop.create_task(stubborn())) == 7
    if hasattr(asyncio, "eager_task_factory"):
        loop.set_task_factory(asyncio.eager_task_factory)
    assert await cancelled(loop.create_task(stubborn())) == 7
    loop.set_task_factory(None)


async def kept_for_ever(kept=[]):
    kept.append(asyncio.ensure_future(stubborn()))
    assert await cancelled(kept[0]) == 7
    if hasattr(kept[0], "set_name"):
        kept[0].set_name("x" * 1000000)


async def main():
    await made_by_a_factory()
    await kept_for_ever()
    assert await cancelled(Task(stubborn(), loop=asyncio.get_running_loop())) == 7
    try:
        await cancelled(asyncio.ensure_future(odd_failure()))
    except Silent:
        pass
    # What stands before our finaliser keeps its task from being watched, and nothing else.
    assert await cancelled(WithDel(stubborn(), loop=asyncio.get_running_loop())) == 7


_loops.run(main())
print("done")
