# SPDX-License-Identifier: Apache-2.0
"""Floods of known size, each over before the next."""
import asyncio
import gc

gc.disable()


async def work(stop):
    await stop.wait()



async def little_by_little(stop, tasks):
    for _ in range(3001):
        tasks.append(asyncio.ensure_future(work(stop)))  # BAD: task-flood 1
        if len(tasks) % 7 == 0:
            await asyncio.sleep(0)


async def grows_again(stop, tasks):
    """Half of them go, and then there are more than ever; it has never been over."""
    for n in (1009, 700, 701):
        first = asyncio.Event()
        for number in range(n):
            until = first if number % 2 and n == 700 else stop
            tasks.append(asyncio.ensure_future(work(until)))  # BAD: task-flood 1
            if number % 5 == 0:
                await asyncio.sleep(0)
        first.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks[:] = [task for task in tasks if not task.done()]


async def held(stop, tasks):
    """Those that have ended and are held are none of them."""
    for n in (1201, 1153):
        stop.clear()
        for number in range(n):
            tasks.append(asyncio.ensure_future(work(stop)))  # BAD: task-flood 2
            if number % 5 == 0:
                await asyncio.sleep(0)
        stop.set()
        for _ in range(3):
            await asyncio.sleep(0)


async def in_a_turn(stop, tasks):
    tasks += [asyncio.ensure_future(work(stop)) for _ in range(2003)]  # BAD: task-flood 1


async def turn_and_more(stop, tasks):
    for n in (2003, 5, 895):
        tasks += [asyncio.ensure_future(work(stop)) for _ in range(n)]  # BAD: task-flood 1
        await asyncio.sleep(0)


async def run(form):
    stop, tasks = asyncio.Event(), []
    await form(stop, tasks)
    stop.set()
    while tasks:
        await tasks.pop()


for form in (little_by_little, grows_again, held, in_a_turn, turn_and_more):
    asyncio.run(run(form))
print("done")
