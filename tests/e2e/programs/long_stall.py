# SPDX-License-Identifier: Apache-2.0
"""One stall that lasts until somebody writes to standard input."""
import asyncio
import os
import select


async def main():
    await asyncio.sleep(0)
    select.select([0], [], [])  # BAD: blocking-call 1
    os.read(0, 1)
    await asyncio.sleep(0)


asyncio.run(main())
