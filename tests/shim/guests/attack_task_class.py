# SPDX-License-Identifier: Apache-2.0
"""Classes made of Task: one with a __del__ of its own, one that begins twice, one that comes back."""
import asyncio
import gc
import os
import weakref

gc.disable()
revived = []


class Quiet(asyncio.Task):
    """Its end is not asyncio's."""

    def __del__(self):
        pass


class Twice(asyncio.Task):
    def __init__(self, coro, **keywords):
        super().__init__(coro, **keywords)
        try:
            super().__init__(coro, **keywords)
        except RuntimeError:
            pass


async def waits(n):
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return n


async def ignores():
    while True:
        try:
            await asyncio.sleep(99)
        except asyncio.CancelledError:
            pass


async def hangs_on(future):
    await future


async def hangs():
    await asyncio.get_running_loop().create_future()


async def round_of(loop, kind):
    loop.set_task_factory(lambda loop, coro, **k: kind(coro, loop=loop, **k))
    for n in range(300):
        task = loop.create_task(waits(n))
        await task
        del task
    held = [loop.create_task(hangs()) for _ in range(200)]
    refs = [weakref.ref(task) for task in held]
    for _ in range(3):
        await asyncio.sleep(0)
    held.clear()
    gc.collect()
    print(kind.__name__, sum(ref() is None for ref in refs))
    # What was freed is used again.
    blocks = [bytearray(size) for size in range(100, 600, 8) for _ in range(50)]
    for _ in range(300):
        await asyncio.sleep(0)
    del blocks


async def main():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: revived.append(context.get("task")))
    for kind in (Quiet, Twice, asyncio.Task):
        await round_of(loop, kind)
    loop.set_task_factory(None)
    revived.clear()
    await come_back(loop)


async def come_back(loop):
    """Tasks that were finalised, are cancelled, and then die unseen."""
    keep = [loop.create_task(ignores()) for _ in range(40)]
    for _ in range(3):
        await asyncio.sleep(0)
        for task in keep:
            task.cancel()
    futures = [loop.create_future() for _ in range(100)]
    for future in futures:
        loop.create_task(hangs_on(future))
    await asyncio.sleep(0)
    # Nothing holds them now, and no collector takes their coroutines first.
    for future in futures:
        future.remove_done_callback(future._callbacks[0][0])
    print(len(revived))
    while revived:
        revived.pop().cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()
    blocks = [bytearray(size) for size in range(100, 600, 8) for _ in range(50)]
    for _ in range(300):
        await asyncio.sleep(0)
    print(len(keep), len(blocks), flush=True)
    os._exit(0)


asyncio.run(main())
