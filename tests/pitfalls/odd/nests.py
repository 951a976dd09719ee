# SPDX-License-Identifier: Apache-2.0
"""A loop made to nest, as nest_asyncio does it: with tasks in Python, whose failures still count."""
import asyncio
import asyncio.events
import asyncio.tasks
import sys

tasks = asyncio.tasks
asyncio.Task = tasks.Task = tasks._CTask = tasks._PyTask
asyncio.Future = asyncio.futures.Future = asyncio.futures._PyFuture


class Nesting(asyncio.SelectorEventLoop):
    """Runs turns of its own inside a callback; the task that waits is put aside meanwhile."""

    n_deep = 0

    def run_until_complete(self, future):
        future = asyncio.ensure_future(future, loop=self)
        if not self.n_deep:
            asyncio.events._set_running_loop(self)
        aside = None
        if self.n_deep:
            aside = tasks.current_task(self)
            tasks._leave_task(self, aside)
        self.n_deep += 1
        try:
            while not future.done():
                self._run_once()
        finally:
            self.n_deep -= 1
            if aside:
                tasks._enter_task(self, aside)
            if not self.n_deep:
                asyncio.events._set_running_loop(None)
        return future.result()


async def inner(number):
    await asyncio.sleep(0)
    return number


async def fails():
    await asyncio.sleep(0)
    raise ValueError("nobody looks")  # BAD: exception-never-retrieved 3


async def stubborn():
    try:
        await asyncio.sleep(100)  # BAD: swallowed-cancellation 1
    except asyncio.CancelledError:
        return 7


async def main(loop):
    for number in range(11):
        assert loop.run_until_complete(inner(number)) == number
        await asyncio.sleep(0)
    for _ in range(3):
        asyncio.ensure_future(fails())
    for _ in range(3):
        await asyncio.sleep(0)
    task = asyncio.ensure_future(stubborn())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == 7


loop = Nesting()
if sys.version_info >= (3, 14):
    tasks._leave_task, tasks._enter_task = tasks._py_leave_task, tasks._py_enter_task
    tasks.current_task = tasks._py_current_task
loop.run_until_complete(main(loop))
loop.close()
print("done")
