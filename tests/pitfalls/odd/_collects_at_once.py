# SPDX-License-Identifier: Apache-2.0
"""Lost tasks, and a collector that comes when the first of them is told of and takes others."""
import asyncio
import gc

kept = []


async def lost():
    await asyncio.get_running_loop().create_future()


async def waits_for(future):
    await future


async def main(n_turns):
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: None)
    # Which one is looked at first depends on how often it was looked before.
    for _ in range(n_turns):
        await asyncio.sleep(0)
    gc.collect()
    gc.disable()
    asyncio.ensure_future(lost())
    kept.append(loop.create_future())
    asyncio.ensure_future(waits_for(kept[-1]))
    asyncio.ensure_future(lost())
    await asyncio.sleep(0)
    loop.call_soon(gc.enable)
    for _ in range(4):
        await asyncio.sleep(0)


gc.set_threshold(1)
for n in range(4):
    asyncio.run(main(n))
