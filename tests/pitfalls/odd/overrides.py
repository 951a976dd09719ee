# SPDX-License-Identifier: Apache-2.0
"""A loop that overrides all it can and a factory of tasks of its own class: nothing is wrong, but thrice."""
import asyncio
import inspect

base = asyncio.SelectorEventLoop


def passing_on(name):
    plain = getattr(base, name)
    if inspect.iscoroutinefunction(plain):
        async def method(self, *arguments, **keywords):
            return await plain(self, *arguments, **keywords)
    else:
        def method(self, *arguments, **keywords):
            return plain(self, *arguments, **keywords)
    method.__name__ = name
    return method


Loop = type("Loop", (base,), {
    name: passing_on(name) for name in dir(base)
    if inspect.isfunction(getattr(base, name)) and name not in ("__init__", "__init_subclass__")
})


class Task(asyncio.Task):
    n_made = 0

    def __init__(self, *arguments, **keywords):
        Task.n_made += 1
        super().__init__(*arguments, **keywords)

    def __repr__(self):
        raise AssertionError("asked for its repr")

    def __hash__(self):
        return 7

    def __eq__(self, other):
        return self is other

    def result(self):
        return super().result()

    def exception(self):
        return super().exception()

    def cancel(self, *arguments, **keywords):
        return super().cancel(*arguments, **keywords)


class Unspeakable(Exception):
    def __repr__(self):
        raise AssertionError("asked for its repr")

    def __str__(self):
        raise AssertionError("asked for its str")


async def echo(reader, writer):
    while await reader.read(100):
        writer.write(b"x")
        await writer.drain()
    writer.close()


async def talks():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for _ in range(11):
        writer.write(b"y")
        assert await reader.read(1) == b"x"
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def waits():
    try:
        await asyncio.sleep(100)
    finally:
        await asyncio.sleep(0)


async def fails():
    await asyncio.sleep(0)
    raise Unspeakable  # BAD: exception-never-retrieved 3


async def main():
    asyncio.get_running_loop().set_task_factory(
        lambda loop, coroutine, **more: Task(coroutine, loop=loop, **more))
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    await talks()
    task = asyncio.ensure_future(waits())
    task_2 = asyncio.ensure_future(asyncio.wait_for(waits(), 0.01))
    await asyncio.sleep(0.1)
    task.cancel()
    for each, expected in ((task, asyncio.CancelledError), (task_2, asyncio.TimeoutError)):
        try:
            await each
        except expected:
            pass
    assert await asyncio.gather(*(asyncio.sleep(0, number) for number in range(101))) == list(range(101))
    for _ in range(3):
        asyncio.ensure_future(fails())
    await asyncio.sleep(0.01)


loop = Loop()
asyncio.set_event_loop(loop)
loop.run_until_complete(main())
loop.run_until_complete(loop.shutdown_asyncgens())
loop.close()
assert Task.n_made > 101
print("done")
