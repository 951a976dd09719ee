# SPDX-License-Identifier: Apache-2.0
"""Many calls that wait, with a turn or two between each."""
import asyncio
import time


async def main():
    for _ in range(211):
        await asyncio.sleep(0.003)
        time.sleep(0.021)  # BAD: blocking-call 211


asyncio.run(main())
