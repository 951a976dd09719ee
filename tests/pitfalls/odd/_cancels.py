# SPDX-License-Identifier: Apache-2.0
"""Cancels tasks, and prints how many blocks of memory a thousand of them leave with the interpreter."""
import asyncio
import gc
import sys

# Each is in a cycle in pure Python; they are collected when they are counted.
gc.disable()


async def waits():
    try:
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(0)


async def cancelled():
    task = asyncio.ensure_future(waits())
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass


async def blocks_after(number):
    for _ in range(number):
        await cancelled()
    gc.collect()
    return sys.getallocatedblocks()


asyncio.run(blocks_after(100))
before = asyncio.run(blocks_after(100))
print(asyncio.run(blocks_after(1100)) - before)
