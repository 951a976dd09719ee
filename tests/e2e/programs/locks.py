# SPDX-License-Identifier: Apache-2.0
"""Waits for locks that other threads have, and says for each function whose lock it was.

A line of the output is "function thread", the thread 0 where nobody can know it.
"""
import asyncio
import queue
import threading
import time

SPAN = 0.03


def held_by_another(lock):
    """Return: the id of a thread that has the lock for SPAN from now on."""
    is_held = threading.Event()
    thread = threading.Thread(target=hold, args=(lock, is_held))
    thread.start()
    is_held.wait()
    return thread.native_id


def hold(lock, is_held):
    with lock:
        is_held.set()
        time.sleep(SPAN)


def said(function, thread):
    print(function.__name__, thread, flush=True)


def plain(lock):
    lock.acquire()  # BAD: blocking-call 1
    lock.release()


def with_statement(lock):
    with lock:  # BAD: blocking-call 1
        pass


def with_time_limit(lock):
    assert lock.acquire(timeout=60)  # BAD: blocking-call 1
    lock.release()


def recursive(lock):
    with lock:  # BAD: blocking-call 1
        with lock:
            pass


def recursive_plain(lock):
    lock.acquire()  # BAD: blocking-call 1
    lock.release()


def handed_on(lock):
    lock.acquire()  # BAD: blocking-call 1
    lock.release()


def taken_by_one_that_is_gone(lock):
    threading.Timer(SPAN, lock.release).start()
    lock.acquire()  # BAD: blocking-call 1
    lock.release()


def taken_by_itself(lock):
    threading.Timer(SPAN, lock.release).start()
    lock.acquire()  # BAD: blocking-call 1
    lock.release()


def event(one):
    threading.Timer(SPAN, one.set).start()
    one.wait()  # BAD: blocking-call 1


def condition(one):
    threading.Timer(SPAN, one.notify_safely).start()
    with one:
        one.wait()  # BAD: blocking-call 1


def simple_queue(things):
    threading.Timer(SPAN, things.put, (1,)).start()
    things.get()  # BAD: blocking-call 1


class Condition(threading.Condition):
    def notify_safely(self):
        with self:
            self.notify()


async def main():
    loop = asyncio.get_running_loop()
    for function, lock in ((plain, threading.Lock()), (with_statement, threading.Lock()),
                           (with_time_limit, threading.Lock()), (recursive, threading.RLock()),
                           (recursive_plain, threading.RLock())):
        said(function, await loop.run_in_executor(None, held_by_another, lock))
        function(lock)
    lock = threading.Lock()
    with lock:
        pass
    await loop.run_in_executor(None, hold, lock, threading.Event())
    said(handed_on, await loop.run_in_executor(None, held_by_another, lock))
    handed_on(lock)
    lock = threading.Lock()
    thread = threading.Thread(target=lock.acquire)
    thread.start()
    await loop.run_in_executor(None, thread.join)
    said(taken_by_one_that_is_gone, 0)
    taken_by_one_that_is_gone(lock)
    lock.acquire()
    said(taken_by_itself, 0)
    taken_by_itself(lock)
    things = queue.SimpleQueue()
    things.put(0)
    await loop.run_in_executor(None, things.get)
    for function, thing in ((event, threading.Event()), (condition, Condition()),
                            (simple_queue, things)):
        said(function, 0)
        function(thing)


asyncio.run(main())
