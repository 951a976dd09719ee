# SPDX-License-Identifier: Apache-2.0
"""Tasks that nothing holds but what they wait for, and a collector that comes with the next object."""
import asyncio
import gc
import sys

ended = []


class Told:
    def __init__(self, number):
        self.number = number

    def __del__(self):
        ended.append(self.number)


async def lost(number):
    told = Told(number)
    await asyncio.get_running_loop().create_future()
    print("never", told)


async def main():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: None)
    gc.set_threshold(1, 1, 1)
    for n in (1, 2, 7, 40, 300):
        gc.disable()
        for number in range(n):
            asyncio.ensure_future(lost(number))
        await asyncio.sleep(0)
        # They wait. This is the first callback of a turn, and they are looked at behind it.
        loop.call_soon(gc.enable)
        await asyncio.sleep(0)
        gc.collect()
        print(n, len(ended), sorted(ended) == list(range(n)), sys.exc_info())
        ended.clear()


asyncio.run(main())
