# SPDX-License-Identifier: Apache-2.0
"""The program ends with tasks, and does not even close its loop."""
# NEEDS: asyncio
# uvloop's loop is not taken down when the program ends, and nobody hears of its tasks.
import asyncio

import _loops

kept = set()


async def plain_work():
    await asyncio.sleep(60)  # BAD: task-never-finished 1


async def plain():
    asyncio.ensure_future(plain_work())
    await asyncio.sleep(0)


async def deep():
    await asyncio.sleep(60)  # BAD: task-never-finished 1


async def kept_work():
    await deep()


async def keeps():
    kept.add(asyncio.ensure_future(kept_work()))
    await asyncio.sleep(0)


async def often_work():
    await asyncio.sleep(60)  # BAD: task-never-finished 23


async def often():
    for _ in range(23):
        kept.add(asyncio.ensure_future(often_work()))
        await asyncio.sleep(0)


loop = _loops.new_loop()
for form in (plain, keeps, often):
    loop.run_until_complete(form())
print("done")
