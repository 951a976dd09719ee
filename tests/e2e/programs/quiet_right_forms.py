# SPDX-License-Identifier: Apache-2.0
"""Correct: waiting done off the loop, every coroutine awaited, tasks cancelled and awaited."""
import asyncio
import time

import either


async def main():
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, time.sleep, 0.15)
    process = await asyncio.create_subprocess_exec("/bin/sleep", "0.15")
    await process.wait()
    try:
        await asyncio.wait_for(asyncio.sleep(60), 0.05)
    except asyncio.TimeoutError:
        pass
    task = asyncio.ensure_future(asyncio.sleep(60))
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass


either.run(main())
