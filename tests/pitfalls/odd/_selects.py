# SPDX-License-Identifier: Apache-2.0
"""A loop that sleeps in select(), and has no descriptor that tells its turns apart."""
import asyncio
import selectors

loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
loop.run_until_complete(asyncio.sleep(0.01))
loop.close()
print("done")
