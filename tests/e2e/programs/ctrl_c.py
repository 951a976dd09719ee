# SPDX-License-Identifier: Apache-2.0
"""Blocks three times, says so, then waits for ever.

ctrl_c.py once      ends at the first interrupt
ctrl_c.py twice     says that it heard the first, ends at the second with status 7"""
import asyncio
import signal
import sys
import time


async def main():
    for _ in range(3):
        await asyncio.sleep(0)
        time.sleep(0.05)  # BAD: blocking-call 3
    heard = []
    if sys.argv[1] == "twice":
        done = asyncio.get_running_loop().create_future()

        def on_interrupt():
            heard.append(1)
            print("heard", len(heard), flush=True)
            if len(heard) == 2:
                done.set_result(None)

        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, on_interrupt)
        print("ready", flush=True)
        await done
        return 7
    print("ready", flush=True)
    while True:
        await asyncio.sleep(0.05)


sys.exit(asyncio.run(main()))
