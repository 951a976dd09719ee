# SPDX-License-Identifier: Apache-2.0
"""Threads are cancelled inside hooked calls, at last one that runs a loop."""
import asyncio
import ctypes
import os
import sys
import threading
import time

library = ctypes.CDLL(sys.argv[1])


async def main(itself):
    await asyncio.sleep(0)
    print(library.cancel_in_calls(itself), flush=True)


asyncio.run(main(0))
thread = threading.Thread(target=lambda: asyncio.run(main(1)), daemon=True)
thread.start()
deadline = time.monotonic() + 30
while os.path.exists(f"/proc/self/task/{thread.native_id}") and time.monotonic() < deadline:
    time.sleep(0.001)
print(os.path.exists(f"/proc/self/task/{thread.native_id}"), flush=True)
asyncio.run(asyncio.sleep(0.01))
# The interpreter still waits for the thread that is gone.
os._exit(3)
