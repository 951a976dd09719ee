# SPDX-License-Identifier: Apache-2.0
"""Work on the CPU that never lets the loop go on."""
# NEEDS: slow-callback=100ms few
import asyncio
import time

import _loops
import anylib

SPAN = 0.131


async def plain():
    until = time.thread_time() + SPAN
    while time.thread_time() < until: pass  # BAD: slow-callback 1


def third():
    until = time.thread_time() + SPAN
    while time.thread_time() < until: pass  # BAD: slow-callback 1


def second():
    return third()


async def three_calls_deep():
    await asyncio.sleep(0)
    second()


async def in_a_library():
    anylib.compute(SPAN)  # BAD: slow-callback 1


def sum_of(number):
    return sum(range(number))  # BAD: slow-callback 1


async def in_c(number):
    assert sum_of(number)


async def one_of_many(number):
    for _ in range(number % 5):
        await asyncio.sleep(0)
    until = time.thread_time() + SPAN
    while time.thread_time() < until: pass  # BAD: slow-callback 23
    await asyncio.sleep(0)


async def interleaved():
    await asyncio.gather(*map(one_of_many, range(23)))


def number_of(seconds):
    """As many as can be summed up in that time."""
    number, span = 1, 0
    while span < seconds:
        number *= 2
        begin = time.thread_time()
        sum(range(number))
        span = time.thread_time() - begin
    return number


for form in (plain, three_calls_deep, in_a_library, interleaved):
    _loops.run(form())
_loops.run(in_c(number_of(SPAN)))
print("done")
