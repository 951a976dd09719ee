# SPDX-License-Identifier: Apache-2.0
"""Blocking calls in tasks that are not as tasks usually are; as JSON on stdout, for the line of
each call, the name of its task as far as it can be told: null where there is none to tell.
"""
import asyncio
import json
import sys
import threading
import time

CALL_S = 0.06
told = {}


def tell(name):
    told[sys._getframe(1).f_lineno] = name


def run(coro, new_loop=asyncio.new_event_loop):
    loop = new_loop()
    try:
        return loop.run_until_complete(coro)
    finally:
        loop.close()


class OwnLoop(asyncio.SelectorEventLoop):
    """Equal to every other one: only its address tells it apart."""

    def __hash__(self):
        return 1

    def __eq__(self, other):
        return isinstance(other, OwnLoop)


class OwnTask(asyncio.Task):
    pass


async def long_name():
    tell("x" * 127); time.sleep(CALL_S)


async def lone_surrogate():
    tell("a\ufffdb"); time.sleep(CALL_S)


async def on_own_loop():
    tell("on its own loop"); time.sleep(CALL_S)


async def subclassed():
    tell("subclassed"); time.sleep(CALL_S)


async def renamed_in_a_thread():
    """Another thread gives it one name after the other."""
    task, stop = asyncio.current_task(), threading.Event()

    def rename():
        while not stop.is_set():
            task.set_name("spam" * 1000)
            task.set_name("eggs" * 1000)

    thread = threading.Thread(target=rename)
    thread.start()
    tell("one of two"); time.sleep(CALL_S)
    stop.set()
    thread.join()


async def in_python():
    tell(None); time.sleep(CALL_S)


async def taken_out():
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    asyncio.tasks._leave_task(loop, task)
    tell(None); time.sleep(CALL_S)
    asyncio.tasks._enter_task(loop, task)


async def exchanged(other):
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    asyncio.tasks._leave_task(loop, task)
    asyncio.tasks._enter_task(loop, other)
    tell(None); time.sleep(CALL_S)
    asyncio.tasks._leave_task(loop, other)
    asyncio.tasks._enter_task(loop, task)


async def waits_for(future):
    await future


async def eager():
    tell(asyncio.current_task().get_name()); time.sleep(CALL_S)


async def makes_an_eager_one():
    if hasattr(asyncio, "eager_task_factory"):
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        await asyncio.get_running_loop().create_task(eager(), name="eager")


def factory(kind):
    def make(loop, coro, **more):
        return kind(coro, loop=loop, **more)
    return make


async def with_factory(kind, coro, name):
    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory(kind))
    # Before 3.13.3 a loop does not hand the name to its factory.
    task = loop.create_task(coro)
    task.set_name(name)
    await task


async def exchanges():
    future = asyncio.get_running_loop().create_future()
    other = asyncio.create_task(waits_for(future), name="other")
    await asyncio.sleep(0)
    for instead in (other, object(), 7, future, type):
        await asyncio.create_task(exchanged(instead), name="exchanged")
    future.set_result(None)
    await other


async def in_a_thread(barrier):
    barrier.wait()
    tell("in a thread"); time.sleep(CALL_S)


async def in_another_thread(barrier):
    barrier.wait()
    tell("in another thread"); time.sleep(CALL_S)


async def named(coro, name):
    await asyncio.create_task(coro, name=name)


def threads():
    barrier = threading.Barrier(2)
    both = [
        threading.Thread(target=run, args=(named(in_a_thread(barrier), "in a thread"),)),
        threading.Thread(target=run, args=(named(in_another_thread(barrier), "in another thread"),)),
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()


async def collected():
    """Its task is held by nobody but the loop, and is gone right after."""
    tell("collected"); time.sleep(CALL_S)


async def forgets():
    asyncio.create_task(collected(), name="collected")
    await asyncio.sleep(0)
    await asyncio.sleep(0)


run(named(long_name(), "x" * 1000000))
run(named(lone_surrogate(), "a\udc80b"))
run(named(on_own_loop(), "on its own loop"), OwnLoop)
run(with_factory(OwnTask, subclassed(), "subclassed"))
run(named(renamed_in_a_thread(), "spam"))
run(with_factory(asyncio.tasks._PyTask, in_python(), "in Python"))
run(named(taken_out(), "taken out"))
run(exchanges())
run(makes_an_eager_one())
run(forgets())
threads()
print(json.dumps(told))
