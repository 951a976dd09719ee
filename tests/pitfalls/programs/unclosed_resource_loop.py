# SPDX-License-Identifier: Apache-2.0
"""A loop that nobody closes; uvloop says nothing of its own."""
import asyncio
import gc

import _loops

# NEEDS: asyncio


async def work():
    await asyncio.sleep(0)


def run_one():
    loop = asyncio.new_event_loop()
    loop.run_until_complete(work())  # BAD: unclosed-resource 7
    held = [loop]
    del loop
    held.clear()


gc.collect()
gc.disable()
for _ in range(7):
    run_one()
gc.collect()
print("done")
