# SPDX-License-Identifier: Apache-2.0
"""The first interpreter that has _asyncio ends, the next takes it out of its table and cancels tasks."""
import sys
import threading

CODE = """
import asyncio

async def waits():
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        pass

async def main():
    for _ in range(rounds):
        task = asyncio.ensure_future(waits())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)

loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
"""

try:
    import _xxsubinterpreters as interpreters
except ImportError:
    interpreters = None

if interpreters and sys.version_info < (3, 12):
    made = interpreters.create()
    interpreters.run_string(made, "rounds = 1\n" + CODE)
    interpreters.destroy(made)
    filled = [bytearray(n) for n in range(64, 2000, 8) for _ in range(20)]

import asyncio  # noqa: E402, F401

del sys.modules["_asyncio"]
# In a thread: 3.8 finds the running loop of the one that ended in the first thread of any other.
thread = threading.Thread(target=exec, args=(CODE, {"rounds": 211}))
thread.start()
thread.join()
print("done")
