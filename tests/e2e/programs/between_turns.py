# SPDX-License-Identifier: Apache-2.0
"""A loop that computes between two turns, while something is ready: no callback runs then."""
import asyncio
import time


class Loop(asyncio.SelectorEventLoop):
    left = 0

    def _run_once(self):
        super()._run_once()
        until = time.thread_time() + 0.3
        while self.left % 10 == 5 and time.thread_time() < until: pass  # BAD: slow-callback 7
        self.left -= self.left > 0


async def main():
    asyncio.get_running_loop().left = 70
    for _ in range(500):
        await asyncio.sleep(0)


loop = Loop()
loop.run_until_complete(main())
loop.close()
