# SPDX-License-Identifier: Apache-2.0
"""Loops in interpreters that end, the first of all loops among them, and tasks cancelled after that."""
import sys
import threading

CODE = """
import asyncio

async def waits():
    await asyncio.sleep(60)

async def main():
    task = asyncio.ensure_future(waits())
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        pass

asyncio.run(main())
"""

try:
    import _xxsubinterpreters as interpreters
except ImportError:
    interpreters = None

# One other interpreter, and then a thread: CPython below 3.12 keeps the classes of asyncio for all
# interpreters together, and 3.8 finds the running loop of the one that ended in the first thread of
# any other. From a second interpreter on, or in the first thread, it raises or crashes by itself;
# 3.12 ends in abort() where more than one of its interpreters has had asyncio.
if interpreters and sys.version_info < (3, 12):
    made = interpreters.create()
    interpreters.run_string(made, CODE)
    interpreters.destroy(made)
    filled = [[number] * 9 for number in range(10000)]
for _ in range(4):
    thread = threading.Thread(target=exec, args=(CODE, {}))
    thread.start()
    thread.join()
print("done")
