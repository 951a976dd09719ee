# SPDX-License-Identifier: Apache-2.0
"""Cancellations that come through, are taken back, or are a timeout's."""
import asyncio
import contextlib

import _loops


async def turns(number):
    for _ in range(number):
        await asyncio.sleep(0)


async def cancelled(coroutine):
    task = asyncio.ensure_future(coroutine)
    await turns(3)
    assert task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"
    return "ended"


async def cleans_up():
    try:
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        await turns(3)
        raise


async def says_finally():
    try:
        await asyncio.sleep(100)
    finally:
        await turns(3)


async def lets_through():
    with contextlib.suppress(ValueError):
        await asyncio.shield(asyncio.sleep(0.01))
        await asyncio.sleep(100)


async def never_begun():
    raise AssertionError("it ran")


held = []


async def cancels_and_waits():
    task = asyncio.ensure_future(cleans_up())
    held.append(task)  # its own turn to be cancelled may come too early for it
    await turns(3)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return 7


async def fails_instead():
    try:
        await asyncio.sleep(100)
    except asyncio.CancelledError as error:
        raise ConnectionError("lost") from error


async def times_out():
    for _ in range(3):
        try:
            await asyncio.wait_for(asyncio.sleep(100), 0.001)
        except asyncio.TimeoutError:
            pass


async def result_meets_cancel():
    future = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(asyncio.wait_for(future, 10))
    await turns(3)
    future.set_result(7)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass


async def done_already():
    task = asyncio.ensure_future(turns(2))
    await turns(5)
    assert not task.cancel()
    await task


async def old_style_timeout(seconds):
    """As libraries did before asyncio.timeout(): by a timer, and turned into a TimeoutError."""
    timer = asyncio.get_running_loop().call_later(seconds, asyncio.current_task().cancel)
    try:
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        return "timed out"
    finally:
        timer.cancel()


class Timeout:
    def __init__(self, seconds):
        self.seconds = seconds
        self.is_over = False

    def on_time(self):
        self.is_over = True
        self.task.cancel()

    async def __aenter__(self):
        self.task = asyncio.current_task()
        self.timer = asyncio.get_running_loop().call_later(self.seconds, self.on_time)

    async def __aexit__(self, kind, error, traceback):
        self.timer.cancel()
        if self.is_over and kind is asyncio.CancelledError:
            raise asyncio.TimeoutError


async def own_timeout():
    try:
        async with Timeout(0.001):
            await asyncio.sleep(100)
    except asyncio.TimeoutError:
        return "timed out"


async def itself():
    asyncio.current_task().cancel()
    try:
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        return 7


async def taken_back():
    try:
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        asyncio.current_task().uncancel()
    return 7


async def with_timeout():
    for _ in range(3):
        try:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(100)
        except TimeoutError:
            pass


async def fails():
    await turns(1)
    raise ValueError("no")


async def in_a_group():
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            for _ in range(5):
                group.create_task(cleans_up())
    except BaseException as error:
        assert len(error.exceptions) == 1


async def main():
    for form in cleans_up, says_finally, lets_through, cancels_and_waits:
        assert await cancelled(form()) == "cancelled" or form is cancels_and_waits
    task = asyncio.ensure_future(never_begun())
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
    try:
        await cancelled(fails_instead())
    except ConnectionError:
        pass
    await times_out()
    await result_meets_cancel()
    await done_already()
    task = asyncio.ensure_future(own_timeout())
    assert await task == "timed out"
    task = asyncio.ensure_future(old_style_timeout(0.001))
    assert await task == "timed out"
    assert await asyncio.ensure_future(itself()) == 7
    if hasattr(asyncio, "TaskGroup"):
        assert await cancelled(taken_back()) == "ended"
        await with_timeout()
        await in_a_group()
    left = asyncio.ensure_future(says_finally())
    await turns(2)
    assert not left.done()


_loops.run(main())
print("done")
