# SPDX-License-Identifier: Apache-2.0
"""A loop that does nothing wrong, and a thread that keeps the GIL for long: a hopeless pattern."""
import asyncio
import re
import threading
import time


def hog():
    begin = time.thread_time()
    n = 18
    # Each more letter takes twice as long.
    while time.thread_time() - begin < 0.4:
        re.match(r"(a+)+$", "a" * n + "b")
        n += 1


async def main():
    thread = threading.Thread(target=hog)
    thread.start()
    while thread.is_alive():
        sum(range(1000))
        await asyncio.sleep(0.001)
    thread.join()


asyncio.run(main())
