# SPDX-License-Identifier: Apache-2.0
"""A task is cancelled and goes on."""
import asyncio

import _loops
import anylib

# NEEDS: cancel-grace=50ms


async def turns(number):
    for _ in range(number):
        await asyncio.sleep(0)


async def plain(stop):
    while not stop.is_set():
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await stop.wait()  # BAD: ignored-cancellation 1


async def step(stop):
    await stop.wait()  # BAD: ignored-cancellation 1


async def work(stop):
    await step(stop)


async def three_calls_deep(stop):
    while not stop.is_set():
        try:
            await work(stop)
        except:
            pass


async def in_a_library(stop):
    await anylib.stubborn(stop)  # BAD: ignored-cancellation 1


async def one_of_many(stop, number):
    await turns(number % 3)
    while not stop.is_set():
        try:
            await stop.wait()  # BAD: ignored-cancellation 23
        except BaseException:
            await turns(number % 5)


async def main():
    stop = asyncio.Event()
    coroutines = [plain(stop), three_calls_deep(stop), in_a_library(stop)]
    coroutines += [one_of_many(stop, number) for number in range(23)]
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    await turns(5)
    for task in tasks:
        task.cancel()
    # Far more turns than the grace has milliseconds, and one task is looked at in each.
    for _ in range(200):
        await asyncio.sleep(0.001)
    stop.set()
    await asyncio.gather(*tasks)


_loops.run(main())
print("done")
