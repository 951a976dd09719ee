# SPDX-License-Identifier: Apache-2.0
"""What healthy programs do all day, in strict mode: nothing of it is any pitfall."""
# NEEDS: strict no-detect=blocking-call
import asyncio
import concurrent.futures
import contextlib
import logging
import os
import subprocess
import sys
import tempfile

import _loops


@contextlib.asynccontextmanager
async def opened():
    try:
        yield 7
    finally:
        await asyncio.sleep(0)


async def cancelled_inside_a_context():
    async def work():
        async with opened():
            await asyncio.sleep(60)

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def exit_stack():
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(opened())
        stack.enter_context(open(__file__))


async def children():
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(7)", stdout=pipe)
    assert (await process.communicate())[0] == b"7\n"
    process = await asyncio.create_subprocess_exec("sleep", "60", stdout=pipe)
    process.kill()
    await process.wait()
    process = await asyncio.create_subprocess_shell("cat", stdin=pipe, stdout=pipe)
    assert (await process.communicate(b"7"))[0] == b"7"


def files_and_children():
    subprocess.run(["true"], capture_output=True, check=True)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.communicate(b"7")[0] == b"7"
    with tempfile.TemporaryDirectory() as folder:
        handler = logging.FileHandler(os.path.join(folder, "log"))
        handler.emit(logging.LogRecord("name", 10, "file", 1, "text", (), None))
        handler.close()
    with tempfile.SpooledTemporaryFile() as file:
        file.write(b"7")


async def files_here_and_in_a_thread():
    await asyncio.get_running_loop().run_in_executor(None, files_and_children)
    files_and_children()


async def workers():
    queue = asyncio.Queue(3)

    async def work():
        while True:
            await queue.get()
            await asyncio.sleep(0)
            queue.task_done()

    tasks = [asyncio.ensure_future(work()) for _ in range(3)]
    for number in range(20):
        await queue.put(number)
    await queue.join()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def pipeline():
    async def source():
        for number in range(5):
            yield number

    async def pairs(numbers):
        held = []
        async for number in numbers:
            held.append(number)
            if len(held) == 2:
                yield held
                held = []
        yield held

    assert [pair async for pair in pairs(source())] == [[0, 1], [2, 3], [4]]


async def server():
    async def answer(reader, writer):
        with contextlib.suppress(ConnectionError):
            while await reader.readline():
                writer.write(b"7\n")
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        writer.write(b"\n")
        assert await reader.readline() == b"7\n"
        writer.close()
        await writer.wait_closed()
    await _loops.others_end()


async def conditions():
    condition, semaphore = asyncio.Condition(), asyncio.BoundedSemaphore(2)

    async def waits():
        async with condition:
            await condition.wait()

    async def limited():
        async with semaphore:
            await asyncio.sleep(0)

    tasks = [asyncio.ensure_future(waits()) for _ in range(5)]
    await asyncio.sleep(0)
    async with condition:
        condition.notify_all()
    await asyncio.gather(*tasks, *(limited() for _ in range(9)))


async def the_first_wins():
    tasks = {asyncio.ensure_future(asyncio.sleep(0.001 * number)) for number in range(5)}
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for next_done in asyncio.as_completed([asyncio.sleep(0, 1), asyncio.sleep(0, 2)]):
        await next_done


async def in_the_background():
    tasks = set()
    for _ in range(11):
        task = asyncio.ensure_future(asyncio.sleep(0.001))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    while tasks:
        await asyncio.sleep(0.001)


async def back_from_threads():
    loop = asyncio.get_running_loop()

    def ask():
        return asyncio.run_coroutine_threadsafe(asyncio.sleep(0, 7), loop).result()

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert sum(await asyncio.gather(*(loop.run_in_executor(pool, ask) for _ in range(3)))) == 21


for form in (cancelled_inside_a_context, exit_stack, children, files_here_and_in_a_thread, workers,
             pipeline, server, conditions, the_first_wins, in_the_background, back_from_threads):
    for _ in range(3):
        _loops.run(form())
print("done")
