# SPDX-License-Identifier: Apache-2.0
"""Every failure is looked at by somebody."""
import asyncio
import concurrent.futures

import _loops


async def fails():
    await asyncio.sleep(0)
    raise ValueError("looked at")


async def awaited():
    task = asyncio.ensure_future(fails())
    try:
        await task
    except ValueError:
        pass


async def callback_looks():
    seen = []
    task = asyncio.ensure_future(fails())
    task.add_done_callback(lambda done: seen.append(done.exception()))
    while not seen:
        await asyncio.sleep(0)


async def gathered():
    results = await asyncio.gather(fails(), fails(), return_exceptions=True)
    assert all(isinstance(result, ValueError) for result in results)


async def waited_for():
    done, _ = await asyncio.wait([asyncio.ensure_future(fails())])
    assert all(isinstance(task.exception(), ValueError) for task in done)


async def completed():
    for next_done in asyncio.as_completed([fails(), fails()]):
        try:
            await next_done
        except ValueError:
            pass


async def cancelled():
    task = asyncio.ensure_future(asyncio.sleep(60))
    await asyncio.sleep(0)
    task.cancel()


def fails_at_once():
    raise ValueError("in a thread")


async def in_executor():
    loop = asyncio.get_running_loop()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        try:
            await loop.run_in_executor(pool, fails_at_once)
        except ValueError:
            pass


async def shielded():
    try:
        await asyncio.wait_for(asyncio.shield(fails()), 5)
    except ValueError:
        pass


async def handler_catches_all():
    async def handler():
        try:
            await fails()
        except Exception:
            return 500
    assert await asyncio.ensure_future(handler()) == 500


for form in (awaited, callback_looks, gathered, waited_for, completed, cancelled, in_executor,
             shielded, handler_catches_all):
    for _ in range(3):
        _loops.run(form())
print("done")
