# SPDX-License-Identifier: Apache-2.0
"""Counts how often it is told to end, and says it half a second after the first time."""
import asyncio
import signal
import sys


async def main():
    told = []
    first = asyncio.Event()

    def on_signal(name):
        told.append(name)
        first.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number.name)
    print("ready", flush=True)
    await first.wait()
    # A window, since it is a second signal that must not come.
    await asyncio.sleep(0.5)
    print("told", told, flush=True)


asyncio.run(main())
sys.exit(9)
