# SPDX-License-Identifier: Apache-2.0
"""gather() returns failures and somebody reads its list; or there are none in it."""
import asyncio

import _loops

# NEEDS: strict


async def charge(number):
    await asyncio.sleep(0)
    if number % 2:
        raise ValueError("card %d" % number)
    return number


def jobs(n=4):
    return [charge(number) for number in range(n)]


async def tested():
    results = await asyncio.gather(*jobs(), return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            assert result.args


async def passed_on():
    return await asyncio.gather(*jobs(), return_exceptions=True)


async def unpacked():
    good, bad = await asyncio.gather(charge(0), charge(1), return_exceptions=True)
    assert good == 0 and isinstance(bad, ValueError)


async def read_in_a_closure():
    results = await asyncio.gather(*jobs(), return_exceptions=True)

    def n_failed():
        return sum(isinstance(result, Exception) for result in results)

    assert n_failed() == 2


async def read_at_once():
    assert len([r for r in await asyncio.gather(*jobs(), return_exceptions=True) if r]) == 3


async def read_much_later(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q):
    results = await asyncio.gather(*jobs(), return_exceptions=True)
    many = (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q)
    return many, results


async def none_failed():
    await asyncio.gather(charge(0), charge(2), return_exceptions=True)


async def all_cancelled():
    tasks = [asyncio.ensure_future(asyncio.sleep(100)) for _ in range(5)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def main():
    for form in (tested, passed_on, unpacked, read_in_a_closure, read_at_once, none_failed,
                 all_cancelled):
        await form()
    await read_much_later(*range(17))


_loops.run(main())
print("done")
