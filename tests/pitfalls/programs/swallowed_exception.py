# SPDX-License-Identifier: Apache-2.0
"""Exceptions that a broad except takes and drops."""
import asyncio

import _loops
import anylib

# NEEDS: 3.12 strict


async def fails(number=0):
    await asyncio.sleep(0)
    raise ValueError(number)


async def bare():
    try:
        await fails()
    except:  # BAD: swallowed-exception 1
        pass


async def broad():
    try:
        return await fails()
    except Exception:  # BAD: swallowed-exception 1
        return None


async def named():
    try:
        return await fails()
    except BaseException as error:  # BAD: swallowed-exception 1
        pass


async def after_others():
    try:
        return await fails()
    except KeyError:
        raise
    except (OSError, LookupError):
        raise
    except Exception:
        return None


async def after_another():
    try:
        return await fails()
    except KeyError:
        raise
    except Exception:  # BAD: swallowed-exception 1
        return None


async def inner():
    await anylib.waits_for(fails())


async def three_calls_deep():
    try:
        await inner()
    except Exception:  # BAD: swallowed-exception 1
        pass


async def generates():
    for number in range(5):
        try:
            yield await fails(number)
        except Exception:  # BAD: swallowed-exception 5
            continue


async def one_of_many(number):
    for _ in range(number % 3):
        await asyncio.sleep(0)
    try:
        await fails(number)
    except Exception:  # BAD: swallowed-exception 23
        pass


async def main():
    for form in bare, broad, named, after_others, after_another, three_calls_deep:
        await form()
    async for _ in generates():
        pass
    await asyncio.gather(*map(one_of_many, range(23)))


_loops.run(main())
print("done")
