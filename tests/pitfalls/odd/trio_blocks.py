# SPDX-License-Identifier: Apache-2.0
"""Under trio: a wait, a computation, a forgotten await and a nested run."""
import time

import trio


async def waits():
    time.sleep(0.11)  # BAD: blocking-call 3


async def computes():
    end = time.thread_time() + 0.3
    while time.thread_time() < end: pass  # BAD: slow-callback 1


async def save(number):
    await trio.sleep(number)


async def forgets():
    for number in range(7):
        save(number)  # BAD: never-awaited 7
        await trio.lowlevel.checkpoint()


async def nests():
    for _ in range(5):
        try:
            trio.run(trio.sleep, 0)  # BAD: nested-run 5
        except RuntimeError as error:
            assert "inside" in str(error)
        await trio.lowlevel.checkpoint()


async def main():
    for _ in range(3):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waits)
        await trio.sleep(0.001)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(computes)
    await forgets()
    await nests()


trio.run(main)
print("done")
