# SPDX-License-Identifier: Apache-2.0
"""Every coroutine is awaited, made a task of, handed on, or closed."""
# NEEDS: strict no-detect=blocking-call
import asyncio
import functools
import inspect
import threading

import _loops
import somelib


async def save(number):
    await asyncio.sleep(0)
    return number


async def awaited():
    assert await save(7) == 7
    made = save(11)
    await asyncio.sleep(0)
    assert await made == 11


async def made_a_task():
    task = asyncio.ensure_future(save(7))
    assert await task == 7


async def given_to_a_library():
    assert await somelib.wait_for_it(save(7)) == 7
    assert await asyncio.wait_for(save(11), 60) == 11
    assert await asyncio.shield(save(13)) == 13


async def one_of_many(number):
    for _ in range(number % 3):
        await asyncio.sleep(0)
    return await save(number)


async def many():
    assert sum(await asyncio.gather(*map(one_of_many, range(23)))) == 253


async def third():
    return save(7)


async def second():
    return await third()


async def handed_on():
    """Made in one place and awaited in another."""
    assert await (await second()) == 7


async def closed():
    """Not wanted after all: said so, and cancelled before it has begun."""
    save(7).close()
    task = asyncio.ensure_future(save(7))
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass


async def from_a_thread():
    loop, found = asyncio.get_running_loop(), []

    def work():
        found.append(asyncio.run_coroutine_threadsafe(save(7), loop).result())

    thread = threading.Thread(target=work)
    thread.start()
    while not found:
        await asyncio.sleep(0.001)
    thread.join()
    assert found == [7]


async def not_called():
    """A function that makes coroutines is none, whatever is asked of it."""
    later = functools.partial(save, 7)
    assert inspect.iscoroutinefunction(save)
    assert await later() == 7


for form in (awaited, made_a_task, given_to_a_library, many, handed_on, closed, from_a_thread,
             not_called):
    _loops.run(form())
print("done")
