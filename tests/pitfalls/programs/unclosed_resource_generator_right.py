# SPDX-License-Identifier: Apache-2.0
"""Async generators that run to their end, are closed, or have not begun."""
# NEEDS: strict
import asyncio
import contextlib
import gc

import _loops


async def numbers(n):
    for number in range(n):
        yield number
        await asyncio.sleep(0)


async def to_the_end():
    assert [number async for number in numbers(7)] == list(range(7))
    async for number in numbers(3):
        pass


async def closed():
    generator = numbers(7)
    async for number in generator:
        if number == 3:
            break
    await generator.aclose()


class Closing:
    """contextlib.aclosing() of 3.10."""

    def __init__(self, generator):
        self.generator = generator

    async def __aenter__(self):
        return self.generator

    async def __aexit__(self, *error):
        await self.generator.aclose()


async def with_aclosing():
    async with Closing(numbers(7)) as generator:
        async for number in generator:
            if number == 3:
                break


async def not_begun():
    numbers(7)
    generator = numbers(7)
    del generator
    gc.collect()


async def fails_inside():
    async def failing():
        yield 1
        raise ValueError("inside")

    try:
        async for _ in failing():
            pass
    except ValueError:
        pass


@contextlib.asynccontextmanager
async def opened():
    await asyncio.sleep(0)
    try:
        yield 7
    finally:
        await asyncio.sleep(0)


async def as_a_context():
    async with opened() as seven:
        assert seven == 7
    try:
        async with opened():
            raise ValueError("handed through")
    except ValueError:
        pass


async def sleeps_inside():
    async def sleeping():
        await asyncio.sleep(60)
        yield 1

    async def consume():
        async for _ in sleeping():
            pass

    task = asyncio.ensure_future(consume())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass


async def thrown_into():
    generator = numbers(7)
    await generator.__anext__()
    try:
        await generator.athrow(ValueError("from outside"))
    except ValueError:
        pass


async def pipeline():
    async def doubled(source):
        async for number in source:
            yield 2 * number

    total = 0
    async for number in doubled(doubled(numbers(5))):
        total += number
    assert total == 40


def plain_generator():
    for number in (number for number in range(7)):
        if number == 3:
            break


async def with_a_plain_generator():
    plain_generator()


for form in (to_the_end, closed, with_aclosing, not_begun, fails_inside, as_a_context,
             sleeps_inside, thrown_into, pipeline, with_a_plain_generator):
    for _ in range(3):
        _loops.run(form())
print("done")
