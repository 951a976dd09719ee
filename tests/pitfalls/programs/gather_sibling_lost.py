# SPDX-License-Identifier: Apache-2.0
"""gather() raises the first failure, and those of the others are lost."""
import asyncio
import json

import _loops


async def turns(number):
    for _ in range(number):
        await asyncio.sleep(0)


async def charge(number):
    await turns(number)
    raise ValueError("card %d" % number)  # BAD: gather-sibling-lost 2


async def plain():
    try:
        await asyncio.gather(charge(1), charge(2), charge(3))
    except ValueError as failure:
        assert failure.args == ("card 1",)
    await turns(7)


def read(text):
    return json.loads(text)  # BAD: gather-sibling-lost 1


async def parse(text):
    await turns(3)
    return read(text)


async def fetch(text):
    return await parse(text)


async def refuse():
    raise PermissionError("no")


async def three_calls_deep_in_a_library():
    try:
        await asyncio.gather(fetch("[1]"), refuse(), fetch("[1"))
    except PermissionError:
        pass
    await turns(7)


async def first(number):
    await turns(number % 5)
    raise KeyError(number)


async def second(number):
    await turns(number % 5 + 1 + number % 3)
    raise LookupError  # BAD: gather-sibling-lost 23


async def good(number):
    await turns(3)
    return number


async def one_of_many(number):
    try:
        await asyncio.gather(first(number), good(number), second(number))
    except KeyError as failure:
        return failure.args[0]


async def interleaved():
    assert sum(await asyncio.gather(*map(one_of_many, range(23)))) == 253
    await turns(11)


async def main():
    await plain()
    await three_calls_deep_in_a_library()
    await interleaved()


_loops.run(main())
print("done")
