# SPDX-License-Identifier: Apache-2.0
"""Coroutines that are made and dropped, with their origin tracked from the start."""
# NEEDS: strict
import asyncio
import sys
import warnings

import _loops
import anylib


async def save(number):
    return number


def plain():
    save(7)  # BAD: never-awaited 1


def make():
    return save(7)


def pass_on():
    return make()


async def made_three_calls_deep():
    made = pass_on()
    del made  # BAD: never-awaited 1


async def given_to_a_library():
    anylib.call(save, 7)  # BAD: never-awaited 1


async def one_of_many(number):
    await asyncio.sleep(0)
    save(number)  # BAD: never-awaited 23
    await asyncio.sleep(0)


async def main():
    before = sys.get_coroutine_origin_tracking_depth()
    plain()
    await made_three_calls_deep()
    await given_to_a_library()
    await asyncio.gather(*map(one_of_many, range(23)))
    for _ in range(5):
        made = save(7)
        assert made.cr_origin is None or len(made.cr_origin) == 1
        made = None  # BAD: never-awaited 5
    assert sys.get_coroutine_origin_tracking_depth() == before == 0


# The warning would read this file.
warnings.simplefilter("ignore")
_loops.run(main())
assert sys.get_coroutine_origin_tracking_depth() == 0
print("done")
