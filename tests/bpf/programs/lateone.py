# SPDX-License-Identifier: Apache-2.0
"""One callback of 300 ms, not the first of its loop; says when a third of it is over."""
import asyncio
import time

import either


def burn():
    started = time.thread_time()
    while time.thread_time() < started + 0.1: pass  # a third of it
    print("third", flush=True)
    while time.thread_time() < started + 0.3: pass  # BAD: slow-callback 1


async def main():
    await asyncio.sleep(0.01)
    asyncio.get_running_loop().call_soon(burn)
    await asyncio.sleep(0.01)


either.run(main())
