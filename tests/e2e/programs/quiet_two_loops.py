# SPDX-License-Identifier: Apache-2.0
"""Correct: two loops in two threads, each idle while the other turns, and a third thread asleep."""
import asyncio
import threading
import time

import either


async def main():
    for _ in range(53):
        await asyncio.sleep(0.01)


threads = [threading.Thread(target=lambda: either.run(main())),
           threading.Thread(target=time.sleep, args=(0.4,))]
for thread in threads:
    thread.start()
either.run(main())
for thread in threads:
    thread.join()
