# SPDX-License-Identifier: Apache-2.0
"""Under trio: files and async generators that nobody closes."""
import gc

import trio

gc.disable()


async def numbers(n):
    try:
        for number in range(n):
            yield number
            await trio.lowlevel.checkpoint()
    finally:
        with trio.CancelScope(shield=True):
            await trio.lowlevel.checkpoint()


async def plain():
    async for number in numbers(5):  # BAD: unclosed-resource 1
        if number == 1:
            break
    file = open(__file__)  # BAD: unclosed-resource 1
    assert file.readline()


async def third():
    async for number in numbers(5):  # BAD: unclosed-resource 1
        if number == 2:
            return open(__file__, "rb").read(number)  # BAD: unclosed-resource 1


async def second():
    return await third()


async def three_calls_deep():
    assert len(await second()) == 2


async def one_of_many(number):
    for _ in range(number % 3):
        await trio.lowlevel.checkpoint()
    file = open(__file__)  # BAD: unclosed-resource 23
    async for item in numbers(number + 2):  # BAD: unclosed-resource 23
        if item == number % 2:
            break
        await trio.lowlevel.checkpoint()
    assert file.read(1) == "#"


async def interleaved():
    async with trio.open_nursery() as nursery:
        for number in range(23):
            nursery.start_soon(one_of_many, number)


async def waits():
    async for number in numbers(5):  # BAD: unclosed-resource 1
        await trio.sleep_forever()


async def cancelled():
    with trio.move_on_after(0.01):
        await waits()


held = []


async def held_to_the_end():
    held.append(numbers(5))
    async for number in held[0]:  # BAD: unclosed-resource 1
        break


for form in (plain, three_calls_deep, interleaved, cancelled, held_to_the_end):
    trio.run(form)
print("done")
