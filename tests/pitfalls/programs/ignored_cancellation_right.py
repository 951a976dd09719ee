# SPDX-License-Identifier: Apache-2.0
"""Tasks that are cancelled and end within the grace, or were not meant to end."""
import asyncio

import _loops

# NEEDS: cancel-grace=50ms


async def cleans_up(turns):
    try:
        await asyncio.sleep(100)
    finally:
        for _ in range(turns):
            await asyncio.sleep(0)


async def waits_for(task):
    await task


async def goes_on(stop):
    try:
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        asyncio.current_task().uncancel()
    await stop.wait()


async def main():
    stop = asyncio.Event()
    shielded = asyncio.ensure_future(stop.wait())
    tasks = [asyncio.ensure_future(cleans_up(turns)) for turns in range(7)]
    tasks += [asyncio.ensure_future(waits_for(asyncio.shield(shielded)))]
    if hasattr(asyncio, "timeout"):
        tasks += [asyncio.ensure_future(goes_on(stop))]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    for _ in range(100):
        await asyncio.sleep(0.001)
    stop.set()
    await asyncio.gather(shielded, *tasks, return_exceptions=True)


_loops.run(main())
print("done")
