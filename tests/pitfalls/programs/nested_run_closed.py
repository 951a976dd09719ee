# SPDX-License-Identifier: Apache-2.0
"""A coroutine that was refused is closed with care; others that live at its address are forgotten."""
import asyncio

from _loops import run


async def inner():
    await asyncio.sleep(0)


def forgets():
    inner()  # BAD: never-awaited 23


async def main():
    for _ in range(23):
        coroutine = inner()
        try:
            asyncio.run(coroutine)  # BAD: nested-run 23
        except RuntimeError:
            coroutine.close()
        del coroutine
        forgets()


run(main())
print("done")
