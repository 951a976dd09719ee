# SPDX-License-Identifier: Apache-2.0
"""Thousands of tasks that live at once, of classes of all sorts, over two loops, threads and a fork."""
import asyncio
import gc
import os
import sys
import threading

gc.disable()
revived = []


class Quiet(asyncio.Task):
    def __del__(self):
        pass


class Back(asyncio.Task):
    def __del__(self):
        super().__del__()
        if len(revived) < 50:
            revived.append(self)


class Twice(asyncio.Task):
    def __init__(self, coro, **keywords):
        super().__init__(coro, **keywords)
        self.__del__()
        self.__del__()


async def waits(stop):
    await stop.wait()
    return 7


async def in_turns(kind, n_turns, n):
    loop, stop, tasks = asyncio.get_running_loop(), asyncio.Event(), []
    loop.set_exception_handler(lambda loop, context: None)
    for _ in range(n_turns):
        tasks += [kind(waits(stop), loop=loop) for _ in range(n)]
        await asyncio.sleep(0)
    stop.set()
    total = sum(await asyncio.gather(*tasks))
    count = sys.getrefcount(tasks[0])
    return total, count


async def dropped(n):
    """Half of them are collected while they wait."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: None)
    futures = [loop.create_future() for _ in range(n)]

    async def wait_for(future):
        await future

    tasks = [loop.create_task(wait_for(future)) for future in futures]
    await asyncio.sleep(0)
    del tasks[::2]
    for future in futures[1::2]:
        future.set_result(None)
    del futures
    gc.collect()
    await asyncio.gather(*tasks)
    return len(tasks)


async def forks():
    stop = asyncio.Event()
    tasks = [asyncio.ensure_future(waits(stop)) for _ in range(3000)]
    await asyncio.sleep(0)
    sys.stdout.flush()
    process = os.fork()
    if not process:
        for task in tasks:
            task._log_destroy_pending = False
        tasks.clear()
        gc.collect()
        asyncio.events._set_running_loop(None)
        print("child", asyncio.new_event_loop().run_until_complete(in_turns(asyncio.Task, 7, 500)),
              flush=True)
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0
    stop.set()
    return sum(await asyncio.gather(*tasks))


results = []


def thread_body():
    # all_tasks() of one thread holds those of another for a moment: their references vary.
    results.append(asyncio.run(in_turns(asyncio.Task, 13, 101))[0])


for kind in asyncio.Task, Quiet, Twice, Back:
    print(kind.__name__, asyncio.run(in_turns(kind, 13, 499)))
gc.collect()
print("revived", len(revived))
revived.clear()
print(asyncio.run(dropped(4001)))
print(asyncio.run(forks()))
threads = [threading.Thread(target=thread_body) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(results)
