# SPDX-License-Identifier: Apache-2.0
"""One blocking line in a helper that two functions call."""
import asyncio
import time

import either


def fetch():
    time.sleep(0.03)  # BAD: blocking-call 12


async def one():
    for _ in range(7):
        await asyncio.sleep(0)
        fetch()


async def other():
    for _ in range(5):
        await asyncio.sleep(0)
        fetch()


async def main():
    await one()
    await other()


either.run(main())
