# SPDX-License-Identifier: Apache-2.0
"""Time limits whose end is caught, and a TimeoutError that has nothing to do with a loop."""
import asyncio
import sys

import _loops


async def late():
    await asyncio.wait_for(asyncio.sleep(60), 0.001)


async def caught():
    try:
        await late()
    except asyncio.TimeoutError:
        pass


async def caught_of_a_task():
    task = asyncio.ensure_future(late())
    try:
        await task
    except asyncio.TimeoutError:
        pass


async def gathered():
    results = await asyncio.gather(late(), late(), return_exceptions=True)
    assert all(isinstance(result, asyncio.TimeoutError) for result in results)


async def with_timeout():
    if sys.version_info >= (3, 11):
        try:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(60)
        except TimeoutError:
            pass


for form in (caught, caught_of_a_task, gathered, with_timeout):
    for _ in range(3):
        _loops.run(form())
try:
    _loops.run(late())
except asyncio.TimeoutError:
    print("done", flush=True)
raise TimeoutError("of a script")
