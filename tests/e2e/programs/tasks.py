# SPDX-License-Identifier: Apache-2.0
"""Stalls in tasks of every kind, and what the program itself knows of each, as JSON on stdout.

    tasks.py [uvloop]
"""
import asyncio
import json
import os
import sys
import time
import types

IS_COROUTINE = 0x80 | 0x100 | 0x200  # a coroutine, types.coroutine(), an async generator
CALL_S, WORK_S = 0.06, 0.3
told = []
names = []


def name_of(frame):
    return getattr(frame.f_code, "co_qualname", frame.f_code.co_name)


def chain_of(frame):
    """The frames that await one another, outermost first."""
    chain = []
    while frame.f_code.co_flags & IS_COROUTINE or frame.f_code.co_name == "__await__":
        place = os.path.basename(frame.f_code.co_filename), frame.f_lineno, name_of(frame)
        chain.insert(0, place)
        frame = frame.f_back
    return chain


def waits_of(task):
    """From CPython 3.14 on: the tasks that wait for it, the nearest first."""
    if not hasattr(asyncio, "capture_call_graph"):
        return []
    found, graphs = [], [asyncio.capture_call_graph(task)]
    while graphs:
        graph = graphs.pop(0)
        for entry in graph.awaited_by:
            coro = entry.future.get_coro()
            found.append((entry.future, coro.__qualname__,
                          os.path.basename(coro.cr_code.co_filename), coro.cr_frame.f_lineno))
            graphs.append(entry)
    return found


def tell(what, has_task=True, frame=None):
    """Says where the caller is, just before it stalls on the same line."""
    frame = frame or sys._getframe(1)
    task = asyncio.current_task() if has_task else None
    told.append({
        "what": what, "line": frame.f_lineno, "has_task": has_task,
        "coro": task.get_coro().__qualname__ if task else None,
        "await_chain": chain_of(frame) if task else [],
        "awaited_by": waits_of(task) if task else [],
    })
    # A task that has no name yet gets one when it is asked for it: later, so that it has none now.
    names.append(task)


def work_one():
    end = time.thread_time() + WORK_S
    while time.thread_time() < end:
        pass


def work_two():
    end = time.thread_time() + WORK_S
    while time.thread_time() < end:
        pass


async def leaf():
    await asyncio.sleep(0)
    tell("call"); time.sleep(CALL_S)


async def middle():
    await leaf()


async def three_deep():
    await middle()


async def items():
    yield 1
    tell("work_one"); work_one()
    yield 2


class Awaitable:
    def __await__(self):
        return (yield from self.inside().__await__())

    async def inside(self):
        async for _ in items():
            await asyncio.sleep(0)


@types.coroutine
def old_style():
    return (yield from Awaitable().__await__())


async def through_everything():
    await old_style()


async def unnamed():
    tell("call"); time.sleep(CALL_S)


async def recurse(depth):
    if depth:
        await recurse(depth - 1)
        return
    await asyncio.sleep(0)
    tell("call"); time.sleep(CALL_S)


async def driven():
    tell("work_two", frame=sys._getframe(2)); work_two()


def drive():
    """A coroutine that is driven by hand is not awaited."""
    try:
        driven().send(None)
    except StopIteration:
        pass


async def drives():
    drive()


def in_a_callback(done):
    tell("call", has_task=False); time.sleep(CALL_S)
    done.set_result(None)


class Loud(str):
    """A name that is no plain str."""


async def gathered():
    tell("call"); time.sleep(CALL_S)


async def gathers():
    await asyncio.gather(asyncio.sleep(0), named(gathered(), "of a gather"))


async def holds_a_result():
    async def inner():
        tell("call"); time.sleep(CALL_S)
    await inner()


def named(coro, name):
    return asyncio.create_task(coro, name=name)


async def main():
    done = asyncio.get_running_loop().create_future()
    await named(three_deep(), "three deep")
    await named(through_everything(), "all kinds: \U0001f40d é")
    await asyncio.create_task(unnamed())
    await named(recurse(4), Loud("loud"))
    await named(drives(), "drives")
    asyncio.get_running_loop().call_soon(in_a_callback, done)
    await done
    await named(gathers(), "gathers")
    await named(holds_a_result(), "")


def name_or_none(task):
    return task.get_name() or None if task else None


if len(sys.argv) > 1:
    import uvloop
    uvloop.install()
asyncio.run(main())
for stall, task in zip(told, names):
    stall["name"] = name_or_none(task)
    stall["awaited_by"] = [(name_or_none(by), *rest) for by, *rest in stall["awaited_by"]]
print(json.dumps(told))
