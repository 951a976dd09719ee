# SPDX-License-Identifier: Apache-2.0
"""A task is cancelled and ends as if it had not been."""
import asyncio

import _loops
import anylib


async def turns(number):
    for _ in range(number):
        await asyncio.sleep(0)


async def cancelled(coroutine):
    task = asyncio.ensure_future(coroutine)
    await turns(3)
    assert task.cancel()
    return await task


async def plain():
    try:
        await asyncio.sleep(100)  # BAD: swallowed-cancellation 1
    except asyncio.CancelledError:
        pass
    return 7


async def bare():
    try:
        await asyncio.Event().wait()  # BAD: swallowed-cancellation 1
    except:
        return 7


async def caught_and_goes_on():
    for _ in range(3):
        try:
            await asyncio.sleep(100)  # BAD: swallowed-cancellation 1
        except BaseException:
            break
    await turns(5)
    return 7


async def innermost():
    try:
        await asyncio.sleep(100)  # BAD: swallowed-cancellation 1
    except asyncio.CancelledError:
        return 7


async def middle():
    return await innermost()


async def three_calls_deep():
    return await middle()


async def waits():
    await asyncio.sleep(100)


async def waits_too():
    try:
        await waits()
    finally:
        await turns(2)


async def caught_three_calls_up():
    try:
        await waits_too()  # BAD: swallowed-cancellation 1
    except asyncio.CancelledError as error:
        assert error
    return 7


async def caught_in_a_library():
    return await anylib.patient()  # BAD: swallowed-cancellation 1


async def waits_for_another():
    return await asyncio.ensure_future(innermost_task())


async def innermost_task():
    try:
        await asyncio.sleep(100)  # BAD: swallowed-cancellation 1
    except asyncio.CancelledError:
        return 7


async def in_gather():
    outer = asyncio.gather(one_of_three(1), one_of_three(2), one_of_three(3))
    await turns(3)
    outer.cancel()
    try:
        await outer
    except asyncio.CancelledError:
        pass


async def one_of_three(number):
    try:
        await asyncio.sleep(100)  # BAD: swallowed-cancellation 3
    except asyncio.CancelledError:
        return number


async def in_a_group():
    if not hasattr(asyncio, "TaskGroup"):
        await cancelled(child())
        return
    async with asyncio.TaskGroup() as group:
        task = group.create_task(child())
        await turns(3)
        task.cancel()


async def child():
    try:
        await asyncio.sleep(100)  # BAD: swallowed-cancellation 1
    except asyncio.CancelledError:
        pass


async def one_of_many(number):
    await turns(number % 3)
    try:
        await asyncio.sleep(100)  # BAD: swallowed-cancellation 23
    except asyncio.CancelledError:
        await turns(number % 7)
    return number


async def interleaved():
    tasks = [asyncio.ensure_future(one_of_many(number)) for number in range(23)]
    await turns(5)
    for task in tasks:
        task.cancel()
    assert sum(await asyncio.gather(*tasks)) == 253


def held(task, kept=[]):
    kept.append(task)
    return task


async def main():
    for form in (plain, bare, caught_and_goes_on, three_calls_deep, caught_three_calls_up,
                 caught_in_a_library, waits_for_another):
        assert await cancelled(form()) == 7
    await in_gather()
    await in_a_group()
    await interleaved()


_loops.run(main())
print("done")
