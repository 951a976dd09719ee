# SPDX-License-Identifier: Apache-2.0
"""close(0), then open(): the number must be 0 again, whatever the shim does beside other loops."""
import asyncio
import os
import threading
import time

started = threading.Barrier(4)
ended = threading.Event()


async def stall():
    started.wait()
    while not ended.is_set():
        time.sleep(0.03)
        await asyncio.sleep(0.001)


threads = [threading.Thread(target=lambda: asyncio.run(stall())) for _ in range(3)]
for thread in threads:
    thread.start()
started.wait()
wrong = 0
until = time.monotonic() + 2
while time.monotonic() < until:
    os.close(0)
    wrong += os.open("/dev/null", os.O_RDONLY) != 0
ended.set()
for thread in threads:
    thread.join()
print("wrong numbers:", wrong)
