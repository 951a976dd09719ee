# SPDX-License-Identifier: Apache-2.0
"""Greenlets that switch, throw, die, fork and run other loops, and all that can be asked of them."""
import asyncio
import gc
import inspect
import os
import pickle
import signal
import sys
import threading
import traceback

try:
    import gevent
    import greenlet
except ImportError:
    print("no gevent")
    sys.exit()

gc.disable()


def look():
    """What the functions are that switch, and who holds what."""
    for name in ("switch", "throw"):
        method = getattr(greenlet.greenlet, name)
        print(name, repr(method), method.__doc__, method.__class__, inspect.isroutine(method))
    hub = gevent.get_hub()
    print(sys.getrefcount(hub), sys.getrefcount(greenlet.getcurrent()), sys.getrefcount(greenlet.getcurrent), hub.dead,
          hub.parent is greenlet.getcurrent(), repr(greenlet._greenlet._C_API).split(" at ")[0])
    try:
        pickle.dumps(greenlet.getcurrent())
    except TypeError as error:
        print("pickle", error)


def traced():
    """Its own way to see switches."""
    names, events = {}, []

    def told(event, pair):
        events.append((event, [names.setdefault(each, len(names)) for each in pair]))

    before = greenlet.settrace(told)
    try:
        gevent.joinall([gevent.spawn(gevent.sleep, 0.001 * number) for number in range(3)])
        ended = gevent.spawn(gevent.sleep, 60)
        gevent.sleep(0)
        ended.kill()
    finally:
        greenlet.settrace(before)
    print(len(events), sorted({event for event, _ in events}))


def wrongly():
    """What is refused, and with which words."""
    dead = greenlet.greenlet(lambda: 7)
    print(dead.switch(), dead.switch(1, 2), dead.switch(key=3), dead.dead)
    for call in (lambda: dead.throw(), lambda: dead.throw(7), lambda: dead.throw(ValueError, 7, 8), lambda: greenlet.greenlet.switch(),
                 lambda: greenlet.greenlet.switch(7), lambda: greenlet.greenlet.throw(7), lambda: dead.throw(KeyError("own")),
                 lambda: greenlet.greenlet(len).switch(1, 2, three=4)):
        try:
            print(repr(call()))
        except BaseException as error:
            print(type(error).__name__, error, [frame.name for frame in traceback.extract_tb(error.__traceback__)])


def in_another_thread():
    here = greenlet.getcurrent()

    def there():
        try:
            here.switch()
        except greenlet.error as error:
            print("other thread:", error)
        print(gevent.spawn(lambda: sys.getrefcount(gevent.get_hub())).get())

    thread = threading.Thread(target=there)
    thread.start()
    thread.join()


def handled():
    """Each greenlet handles an exception of its own while it is away."""
    def one(number):
        try:
            raise ValueError(number)
        except ValueError as error:
            gevent.sleep(0)
            assert sys.exc_info()[1] is error
            try:
                raise KeyError(number)
            except KeyError as inner:
                gevent.sleep(0)
                return inner.__context__ is error

    print(all(each.get() for each in [gevent.spawn(one, number) for number in range(7)]), sys.exc_info())


def collected():
    """Left in the middle by all, and ended by that."""
    ended = []

    def waits(parent):
        try:
            parent.switch(7)
        except greenlet.GreenletExit:
            ended.append(sys.exc_info()[0].__name__)

    def makes():
        child = greenlet.greenlet(waits)
        print(child.switch(greenlet.getcurrent()), sys.getrefcount(child))

    gevent.spawn(makes).get()
    makes()
    print(ended)


def deep():
    def down(n):
        if n % 50 == 0:
            gevent.sleep(0)
        try:
            return down(n + 1)
        except RecursionError:
            return n

    print(gevent.spawn(down, 0).get() == gevent.spawn(down, 0).get())


def asyncio_inside():
    """Held up meanwhile, and not told of it twice."""
    async def main():
        await asyncio.sleep(0.01)
        return sys.getrefcount(asyncio.current_task())

    print(asyncio.run(main()), gevent.spawn(asyncio.run, main()).get())


def signalled():
    seen = []
    watcher = gevent.signal_handler(signal.SIGUSR1, seen.append, 7)
    os.kill(os.getpid(), signal.SIGUSR1)
    gevent.sleep(0.01)
    watcher.cancel()
    print(seen)


def child_goes_on(do):
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            do()
            sys.stdout.flush()
            status = 0
        finally:
            os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if hasattr(os, "waitstatus_to_exitcode") else os.waitpid(pid, 0)[1])


def again():
    gevent.reinit()
    print(gevent.spawn(lambda: 7).get())
    gevent.sleep(0.001)


def hubs():
    """One after the other on a thread."""
    for _ in range(3):
        gevent.get_hub().destroy(destroy_loop=True)
        gevent.sleep(0.001)
        print(gevent.get_hub().dead, sys.getrefcount(gevent.get_hub()))


def nobody_left():
    try:
        gevent.event.AsyncResult().get()
    except gevent.exceptions.LoopExit as error:
        print(str(error).splitlines()[0])


import gevent.event  # noqa: E402

for form in (look, traced, wrongly, in_another_thread, handled, collected, deep, asyncio_inside, signalled, nobody_left):
    form()
    gevent.spawn(form).get() if form is not nobody_left else None
for do in (again, asyncio_inside, look):
    child_goes_on(do)
    gevent.spawn(child_goes_on, do).get()
child_goes_on(hubs)
hubs()
print(gc.collect() >= 0)
