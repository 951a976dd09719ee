# SPDX-License-Identifier: Apache-2.0
"""One callback of 300 ms: slow, and its turn is not counted once more."""
import asyncio
import time

import either


def burn():
    until = time.thread_time() + 0.3
    while time.thread_time() < until: pass  # BAD: slow-callback 1


async def main():
    await asyncio.sleep(0.01)
    asyncio.get_running_loop().call_soon(burn)
    await asyncio.sleep(0.01)


either.run(main())
