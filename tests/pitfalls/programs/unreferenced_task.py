# SPDX-License-Identifier: Apache-2.0
"""Suspended tasks that nobody holds; they happen to end before the collector comes."""
# NEEDS: strict
import asyncio

import _loops
import somelib


async def plain_work():
    await asyncio.sleep(0.05)  # BAD: unreferenced-task 1


async def plain():
    asyncio.ensure_future(plain_work())
    await asyncio.sleep(0.02)
    await _loops.others_end()


async def third():
    await asyncio.sleep(0.05)  # BAD: unreferenced-task 1


async def second():
    await third()


async def deep():
    asyncio.ensure_future(somelib.wait_for_it(second()))
    await asyncio.sleep(0.02)
    await _loops.others_end()


async def interleaved_work():
    await asyncio.sleep(0.1)  # BAD: unreferenced-task 23


async def interleaved():
    kept = []
    for _ in range(23):
        asyncio.ensure_future(interleaved_work())
        kept.append(asyncio.ensure_future(interleaved_work()))
    for _ in range(50):
        await asyncio.sleep(0)
    for task in kept:
        await task


for form in (plain, deep, interleaved):
    _loops.run(form())
print("done")
