# SPDX-License-Identifier: Apache-2.0
"""Files that code of a loop opens and does not close."""
# NEEDS: strict no-detect=blocking-call
import asyncio
import gc

import _loops
import anylib


async def plain():
    file = open(__file__)  # BAD: unclosed-resource 1
    assert file.readline()


def third():
    return open(__file__, "rb").read(7)  # BAD: unclosed-resource 1


def second():
    return third()


async def three_calls_deep():
    assert len(second()) == 7


async def in_a_library():
    anylib.call(open, __file__)  # BAD: unclosed-resource 1


async def one_of_many(number):
    for _ in range(number % 3):
        await asyncio.sleep(0)
    file = open(__file__)  # BAD: unclosed-resource 23
    await asyncio.sleep(0)
    assert file.read(1) == "#"


async def interleaved():
    await asyncio.gather(*(one_of_many(number) for number in range(23)))


async def unbuffered():
    assert open(__file__, "rb", 0).read(1) == b"#"  # BAD: unclosed-resource 1


async def both_ways():
    file = open(__file__, "r+b")  # BAD: unclosed-resource 1
    assert file.read(1) == b"#"


async def cancelled_work():
    file = open(__file__)  # BAD: unclosed-resource 1
    await asyncio.sleep(60)
    file.close()


async def cancelled():
    task = asyncio.ensure_future(cancelled_work())
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass


async def in_a_cycle():
    held = [open(__file__)]  # BAD: unclosed-resource 1
    held.append(held)
    del held
    gc.collect()


for form in (plain, three_calls_deep, in_a_library, interleaved, unbuffered, both_ways,
             cancelled, in_a_cycle):
    _loops.run(form())
print("done")
