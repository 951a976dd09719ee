# SPDX-License-Identifier: Apache-2.0
"""Loops that run one after the other or in another thread, and one patched to allow nesting."""
import asyncio
import threading

import _loops


async def work():
    await asyncio.sleep(0)
    return 7


async def awaited():
    assert await work() == 7


async def from_another_thread():
    loop = asyncio.get_running_loop()
    results = []

    def body():
        results.append(asyncio.run_coroutine_threadsafe(work(), loop).result(5))

    thread = threading.Thread(target=body)
    thread.start()
    while not results:
        await asyncio.sleep(0)
    thread.join()
    assert results == [7]


async def a_loop_in_another_thread():
    results = []
    await asyncio.get_running_loop().run_in_executor(
        None, lambda: results.append(_loops.run(work())))
    assert results == [7]


async def same_words():
    """Of the program's own, and no refusal."""
    for text in ("This event loop is already running",
                 "asyncio.run() cannot be called from a running event loop",
                 "TaskGroup <TaskGroup> is finished"):
        try:
            raise RuntimeError(text)
        except RuntimeError:
            pass


async def patched():
    """As nest_asyncio does it: one turn at a time, with the check for a running loop taken out."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, asyncio.BaseEventLoop):
        return

    def run_nested(coroutine):
        task = asyncio.ensure_future(coroutine, loop=loop)
        current = asyncio.current_task()
        asyncio.tasks._leave_task(loop, current)
        while not task.done():
            loop._run_once()
        asyncio.tasks._enter_task(loop, current)
        return task.result()

    assert run_nested(work()) == 7


for form in (awaited, from_another_thread, a_loop_in_another_thread, same_words, patched):
    for _ in range(3):
        _loops.run(form())
print("done")
