# SPDX-License-Identifier: Apache-2.0
"""Correct: two loops one after the other, and a sleep between them, when no loop runs."""
import asyncio
import time

import either


async def main():
    for _ in range(11):
        await asyncio.sleep(0.01)


either.run(main())
time.sleep(0.3)
either.run(main())
time.sleep(0.3)
