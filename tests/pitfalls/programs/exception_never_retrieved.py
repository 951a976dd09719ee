# SPDX-License-Identifier: Apache-2.0
"""A task or future fails, and nobody looks."""
import asyncio
import gc

import _loops
import somelib


async def plain_work():
    raise ValueError("of the plain one")  # BAD: exception-never-retrieved 1


async def plain():
    asyncio.ensure_future(plain_work())
    await _loops.others_end()


def third(number):
    return 7 // number  # BAD: exception-never-retrieved 1


def second(number):
    return third(number) + 1


async def deep_work():
    await asyncio.sleep(0)
    return await somelib.later(second, 0)


async def deep():
    asyncio.ensure_future(deep_work())
    await _loops.others_end()


async def in_library_work():
    await somelib.later(int, "seven")  # BAD: exception-never-retrieved 1


async def in_library():
    task = asyncio.ensure_future(in_library_work())
    await _loops.others_end()
    del task
    gc.collect()


async def interleaved_work(number):
    await asyncio.sleep(0)
    if number % 2:
        raise LookupError(f"number {number}")  # BAD: exception-never-retrieved 23
    return number


async def looked_at(number):
    try:
        await interleaved_work(number)
    except LookupError:
        pass


async def interleaved():
    for i in range(23):
        asyncio.ensure_future(interleaved_work(2 * i + 1))
        await interleaved_work(2 * i)
    await _loops.others_end()


class Unspeakable(Exception):
    def __str__(self):
        raise SystemError("nobody asks")

    __repr__ = __str__


async def unspeakable_work():
    raise Unspeakable(Unspeakable())  # BAD: exception-never-retrieved 1


async def unspeakable():
    """The logger of the program says nothing of it either: its handler is the program's own."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: None)
    task = asyncio.ensure_future(unspeakable_work())
    if hasattr(task, "set_name"):
        task.set_name("x" * 1_000_003)
    del task
    await _loops.others_end()


class Derived(asyncio.Task):
    pass


async def derived_work():
    raise KeyError("seven")  # BAD: exception-never-retrieved 1


async def derived():
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, coro, **more: Derived(coro, loop=loop, **more))
    loop.create_task(derived_work())
    await _loops.others_end()


for form in (plain, deep, in_library, interleaved, unspeakable, derived):
    _loops.run(form())
print("done")
