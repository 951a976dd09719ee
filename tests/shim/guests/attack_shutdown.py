# SPDX-License-Identifier: Apache-2.0
"""Modules are deleted, tasks and cancellations outlive them, and the interpreter's end finds them."""
import asyncio
import builtins
import gc
import sys

gc.disable()


class Late:
    """Dies when modules are gone."""

    def __init__(self, *held):
        self.held = held

    def __del__(self):
        print("late", flush=True)


async def waits():
    try:
        await asyncio.sleep(99)
    except asyncio.CancelledError as error:
        builtins.kept = error
        await asyncio.sleep(99)


async def never():
    pass


async def fails():
    raise ValueError("nobody looks")


async def main():
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(waits()) for _ in range(20)] + [loop.create_task(fails())]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.sleep(0)
    for task in tasks[:10]:
        task.cancel()
    return tasks

sys.stderr = open("/dev/null", "w")
loop = asyncio.new_event_loop()
tasks = loop.run_until_complete(main())
builtins.late = Late(tasks, never(), loop, builtins.kept, *tasks)
sys.late = Late(builtins.late, tasks[0])
tasks[0].late = Late(tasks[1], never())
del tasks
for name in [name for name in sys.modules if "asyncio" in name or name in ("warnings", "socket")]:
    del sys.modules[name]
del asyncio
gc.collect()
print("over", flush=True)
