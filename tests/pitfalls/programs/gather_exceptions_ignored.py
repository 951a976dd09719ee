# SPDX-License-Identifier: Apache-2.0
"""gather() returns failures, and nobody reads its list."""
import asyncio

import _loops

# NEEDS: strict


async def turns(number):
    for _ in range(number):
        await asyncio.sleep(0)


async def charge(number):
    await turns(number % 5)
    if number % 2:
        raise ValueError("card %d" % number)
    return number


async def thrown_away():
    await asyncio.gather(charge(0), charge(1), charge(3),  return_exceptions=True)  # BAD: gather-exceptions-ignored 1


async def never_read():
    results = await asyncio.gather(charge(1), return_exceptions=True)  # BAD: gather-exceptions-ignored 1
    return 7


async def never_read_beside_another(first, second):
    results = await asyncio.gather(charge(1), return_exceptions=True)  # BAD: gather-exceptions-ignored 1
    other = second
    return first, other


async def innermost(jobs):
    await asyncio.gather(*jobs, return_exceptions=True)  # BAD: gather-exceptions-ignored 1
    return len(jobs)


async def middle(jobs):
    return await innermost(jobs)


async def three_calls_deep():
    tasks = [asyncio.ensure_future(charge(number)) for number in range(4)]
    assert await middle(tasks) == 4


async def one_of_many(number):
    await turns(number % 3)
    _ = await asyncio.gather(charge(1), charge(number), return_exceptions=True)  # BAD: gather-exceptions-ignored 23


async def main():
    await thrown_away()
    assert await never_read() == 7
    await never_read_beside_another(1, 2)
    await three_calls_deep()
    await asyncio.gather(*map(one_of_many, range(23)))


_loops.run(main())
print("done")
