# SPDX-License-Identifier: Apache-2.0
"""Modules are deleted while tasks still wait, as some programs do at their end."""
import asyncio
import atexit
import sys


class Slow(Exception):
    def __repr__(self):
        import time
        time.sleep(1)
        return "Slow"

    __str__ = __repr__


async def waits():
    await asyncio.sleep(100)


async def fails():
    raise Slow  # BAD: exception-never-retrieved 1


async def main(loop):
    loop.set_exception_handler(lambda loop, context: None)
    for _ in range(3):
        tasks.append(loop.create_task(waits()))
    failed.append(loop.create_task(fails()))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def forget():
    for name in [name for name in sys.modules if name.partition(".")[0] in names]:
        del sys.modules[name]


tasks, failed = [], []
names = ("asyncio", "_asyncio", "concurrent", "selectors", "socket", "warnings", "threading")
loop = asyncio.new_event_loop()
loop.run_until_complete(main(loop))
atexit.register(forget)
forget()
failed.clear()
tasks.clear()
loop.run_until_complete(loop.shutdown_asyncgens())
loop.close()
del asyncio, loop
import gc
gc.collect()
print("done")
