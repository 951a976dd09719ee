# SPDX-License-Identifier: Apache-2.0
"""Correct, but somebody stops the process in the middle of a callback, for a while."""
import asyncio
import os
import signal

import either


def stops():
    os.kill(os.getpid(), signal.SIGSTOP)
    print("on", flush=True)


async def main():
    loop = asyncio.get_running_loop()
    for _ in range(3):
        await asyncio.sleep(0.01)
        loop.call_soon(stops)
    await asyncio.sleep(0.01)


either.run(main())
