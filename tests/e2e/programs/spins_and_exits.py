# SPDX-License-Identifier: Apache-2.0
"""A turn that never ends: the process goes in the middle of it."""
import asyncio
import os
import time


async def main():
    end = time.monotonic() + 1.3
    while time.monotonic() < end:
        pass
    os._exit(0)


asyncio.run(main())
