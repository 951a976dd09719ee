# SPDX-License-Identifier: Apache-2.0
"""Async generators that are left in the middle and closed by nobody."""
# NEEDS: strict
import asyncio
import gc

import _loops
import anylib


async def numbers(n):
    try:
        for number in range(n):
            yield number
            await asyncio.sleep(0)
    finally:
        await asyncio.sleep(0)


async def plain():
    async for number in numbers(5):  # BAD: unclosed-resource 1
        if number == 1:
            break


async def third():
    async for number in numbers(5):  # BAD: unclosed-resource 1
        if number == 2:
            return number


async def second():
    return await third()


async def three_calls_deep():
    assert await anylib.waits_for(second()) == 2


async def in_a_library():
    assert await anylib.first(numbers(5)) == 0  # BAD: unclosed-resource 1


async def one_of_many(number):
    for _ in range(number % 3):
        await asyncio.sleep(0)
    async for item in numbers(number + 2):  # BAD: unclosed-resource 23
        if item == number % 2:
            break
        await asyncio.sleep(0)


async def interleaved():
    await asyncio.gather(*(one_of_many(number) for number in range(23)))


async def raises():
    try:
        async for number in numbers(5):  # BAD: unclosed-resource 1
            raise ValueError(number)
    except ValueError:
        pass


async def waits():
    async for number in numbers(5):  # BAD: unclosed-resource 1
        await asyncio.sleep(60)


async def cancelled():
    task = asyncio.ensure_future(waits())
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass


async def in_a_cycle():
    class Holder:
        pass

    holder = Holder()
    holder.itself = holder
    holder.generator = numbers(5)
    assert await holder.generator.__anext__() == 0  # BAD: unclosed-resource 1
    del holder
    gc.collect()


held = []


async def held_to_the_end():
    held.append(numbers(5))
    async for number in held[0]:  # BAD: unclosed-resource 1
        break


for form in (plain, three_calls_deep, in_a_library, interleaved, raises, cancelled, in_a_cycle,
             held_to_the_end):
    _loops.run(form())
print("done")
