# SPDX-License-Identifier: Apache-2.0
"""An audit hook of the program's counts its events: looking at its objects must cause none."""
import asyncio
import collections
import gc
import sys

seen = collections.Counter()
gc.disable()


def hook(event, arguments):
    # In strict mode, once: it cannot be had without (docs/PITFALLS.md).
    if event == "sys.monitoring.register_callback":
        return
    seen[event, str(arguments[1]) if event == "object.__getattr__" else ""] += 1


async def never():
    pass


async def fails(text):
    await asyncio.sleep(0)
    raise ValueError(text)


async def waits():
    await asyncio.get_running_loop().create_future()


async def swallows():
    try:
        await asyncio.sleep(9)
    except asyncio.CancelledError:
        pass


async def drops():
    for _ in range(3):
        try:
            raise ValueError("x")
        except Exception:
            pass
        await asyncio.sleep(0)


async def main():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)
    for _ in range(3):
        never()
    asyncio.ensure_future(fails("lost"))
    task = asyncio.ensure_future(swallows())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0.01)
    try:
        asyncio.ensure_future(waits()).result()
    except asyncio.InvalidStateError:
        pass
    await asyncio.sleep(0.01)
    gc.collect()
    await asyncio.gather(fails("one"), fails("two"), return_exceptions=True)
    try:
        await asyncio.gather(fails("one"), fails("two"))
    except ValueError:
        pass
    await drops()
    inner = never()
    try:
        asyncio.run(inner)
    except RuntimeError:
        inner.close()
    await asyncio.sleep(0.01)
    gc.collect()


sys.stderr = open("/dev/null", "w")
sys.addaudithook(hook)
asyncio.run(main())
gc.collect()
found = sorted(seen.items())
print(*found, sep="\n")
