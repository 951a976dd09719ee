# SPDX-License-Identifier: Apache-2.0
"""Trio in a callback of asyncio, asyncio in a task of trio, and trio as the guest of asyncio."""
import asyncio
import time

import trio


async def rests():
    await trio.sleep(0.11)


async def rests_too():
    await asyncio.sleep(0.11)


async def blocks_asyncio():
    for _ in range(3):
        trio.run(rests)  # BAD: blocking-call 3
        await asyncio.sleep(0.001)
    time.sleep(0.11)  # BAD: blocking-call 1


async def blocks_trio():
    for _ in range(5):
        asyncio.run(rests_too())  # BAD: blocking-call 10
        await trio.sleep(0.001)
    time.sleep(0.11)  # BAD: blocking-call 2


async def guest():
    await trio.sleep(0.3)
    time.sleep(0.11)  # BAD: blocking-call 1
    return 7


async def hosts():
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    trio.lowlevel.start_guest_run(
        guest, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=over.set_result)
    assert (await over).unwrap() == 7


asyncio.run(blocks_asyncio())
trio.run(blocks_trio)
asyncio.run(hosts())
trio.run(blocks_trio)
print("done")
