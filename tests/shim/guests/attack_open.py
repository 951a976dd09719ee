# SPDX-License-Identifier: Apache-2.0
"""Async generators and files that are left open: in cycles, in a __del__, in threads, in a fork child,
with hooks of the program's own, with an exception under way, and at the very end."""
import asyncio
import gc
import os
import sys
import threading
import warnings
import weakref

gc.disable()
warnings.simplefilter("ignore")
sys.unraisablehook = lambda what: print("unraisable", type(what.exc_value).__name__)
audited = []
is_open = False
sys.addaudithook(lambda event, arguments: audited.append(event) if is_open else None)


class Bomb:
    def __del__(self):
        raise RuntimeError("in __del__")

    def __repr__(self):
        raise SystemError("nobody asks")


async def numbers(n, held=None):
    try:
        for number in range(n):
            yield number
    finally:
        if held:
            print("finally", n)


async def begun(n, held=None):
    generator = numbers(n, held)
    assert await generator.__anext__() == 0
    return generator


async def many():
    generators = [await begun(5) for _ in range(1500)]
    died = []
    references = [weakref.ref(generator, lambda _: died.append(1)) for generator in generators]
    assert sys.getrefcount(generators[0]) == 2
    del generators[::2]
    for _ in range(3):
        await asyncio.sleep(0)
    print("died", len(died), len(references))
    for generator in generators:
        await generator.aclose()


async def inside_each_other():
    async def outer():
        inner = await begun(3, "inner")
        file = open(__file__)
        yield inner, file

    generator = outer()
    await generator.__anext__()
    del generator
    for _ in range(5):
        await asyncio.sleep(0)


async def in_a_destructor():
    class Holder:
        def __del__(self):
            del self.generator
            gc.collect()
            open(__file__)
            print("holder died")

    holder = Holder()
    holder.generator, holder.itself = await begun(4, "held"), holder
    del holder
    gc.collect()
    for _ in range(3):
        await asyncio.sleep(0)


async def with_bombs():
    generator = numbers(2, Bomb())
    del generator
    held = [Bomb(), open(__file__)]
    held.append(held)
    del held
    gc.collect()


async def with_a_hook_that_fails():
    before, seen = sys.get_asyncgen_hooks(), []

    def finalizer(generator):
        seen.append(generator)
        raise ValueError("in the hook")

    sys.set_asyncgen_hooks(finalizer=finalizer)
    generator = await begun(3)
    del generator
    sys.set_asyncgen_hooks(*before)
    await seen.pop().aclose()


async def while_an_exception_is_under_way():
    try:
        raise KeyError("first")
    except KeyError:
        generator = await begun(3)
        del generator
        open(__file__)
        print("still", sys.exc_info()[0].__name__, sys.exc_info()[1].__context__)


async def child():
    generator = await begun(3)
    del generator
    for _ in range(3):
        await asyncio.sleep(0)


async def in_a_fork_child():
    generator, file = await begun(3), open(__file__)
    sys.stdout.flush()
    process = os.fork()
    if not process:
        del generator, file
        gc.collect()
        asyncio.events._set_running_loop(None)
        asyncio.new_event_loop().run_until_complete(child())
        print("child", flush=True)
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0
    await generator.aclose()
    file.close()


def thread_body():
    for _ in range(3):
        asyncio.run(child())


async def in_threads():
    threads = [threading.Thread(target=thread_body) for _ in range(4)]
    for thread in threads:
        thread.start()
    await asyncio.get_running_loop().run_in_executor(None, lambda: [t.join() for t in threads])


async def audits():
    global is_open
    generator, file = await begun(3), open(__file__)
    is_open = True
    del generator
    del file
    is_open = False
    print("audited", audited)


left = []


async def left_over():
    left.append(await begun(3))
    left.append(open(__file__))
    left.append(left)


for form in (many, inside_each_other, in_a_destructor, with_bombs, with_a_hook_that_fails,
             while_an_exception_is_under_way, in_a_fork_child, in_threads, audits):
    asyncio.run(form())
asyncio.new_event_loop().run_until_complete(left_over())
print("done")
