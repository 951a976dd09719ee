# SPDX-License-Identifier: Apache-2.0
"""What is told of objects runs no code of theirs and takes no time, whatever they say."""
import asyncio
import gc
import sys

gc.disable()
LONG = "näme\ud800" * 250000


class Bad(Exception):
    def __repr__(self):
        print("repr", flush=True)
        raise SystemExit(3)

    __str__ = __repr__

    @property
    def args(self):
        print("args", flush=True)
        raise SystemExit(4)

    def __eq__(self, other):
        print("eq", flush=True)
        return True

    def __hash__(self):
        print("hash", flush=True)
        return 1

    def __bool__(self):
        print("bool", flush=True)
        raise SystemExit(5)


class Text(str):
    def __repr__(self):
        print("text", flush=True)
        raise SystemExit(6)

    __str__ = __eq__ = __hash__ = __len__ = __repr__


async def fails(error):
    raise error


async def waits():
    await asyncio.get_running_loop().create_future()


async def swallows():
    try:
        await asyncio.sleep(9)
    except asyncio.CancelledError:
        pass


def named(coroutine, name):
    task = asyncio.ensure_future(coroutine)
    task.set_name(name)
    return task


async def main():
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    for name in (LONG, "\0\n\r\x1b[2J", ""):
        for error in (Bad(), Bad(LONG), ValueError(LONG), ValueError(Text("y")), ValueError(Bad())):
            named(fails(error), name)
        named(waits(), name)
        task = named(swallows(), name)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        try:
            named(waits(), name).result()
        except asyncio.InvalidStateError:
            pass
        try:
            await asyncio.gather(fails(Bad(LONG)), fails(Bad()))
        except Bad:
            pass
        await asyncio.gather(fails(Bad(LONG)), fails(Bad()), return_exceptions=True)
        del task
        gc.collect()
        await asyncio.sleep(0)
    coroutine = waits()
    coroutine.__qualname__ = LONG
    del coroutine


sys.stderr = open("/dev/null", "w")
asyncio.run(main())
gc.collect()
print("done")
