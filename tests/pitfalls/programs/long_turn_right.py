# SPDX-License-Identifier: Apache-2.0
"""The same callbacks, paced: few of them in a turn."""
# NEEDS: long-turn=100ms few
import asyncio
import time

import _loops


def compute():
    until = time.thread_time() + 0.003
    while time.thread_time() < until:
        pass


async def one_after_the_other():
    for _ in range(23):
        compute()
        await asyncio.sleep(0)


async def with_a_semaphore():
    semaphore = asyncio.Semaphore(3)

    async def job():
        async with semaphore:
            await asyncio.sleep(0.001)
            compute()

    await asyncio.gather(*(job() for _ in range(23)))


async def each_asks_for_the_next():
    loop = asyncio.get_running_loop()
    over = loop.create_future()

    def step(left):
        compute()
        if left:
            loop.call_later(0.001, step, left - 1)
        else:
            over.set_result(None)

    step(23)
    await over


for form in (one_after_the_other, with_a_semaphore, each_asks_for_the_next):
    _loops.run(form())
print("done")
