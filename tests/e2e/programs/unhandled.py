# SPDX-License-Identifier: Apache-2.0
"""Ends with an exception that nobody handles, out of a task, after a blocking call."""
import asyncio
import time


async def inner():
    time.sleep(0.05)  # BAD: blocking-call 1
    await asyncio.sleep(0)
    raise RuntimeError("nobody handles this")


async def main():
    await asyncio.ensure_future(inner())


asyncio.run(main())
