# SPDX-License-Identifier: Apache-2.0
"""Forks 23 times inside a callback; each child runs a loop of its own."""
import asyncio
import os


async def child_main():
    await asyncio.sleep(0.001)
    return 11


async def main():
    for _ in range(23):
        pid = os.fork()
        if pid == 0:
            asyncio.events._set_running_loop(None)
            os._exit(asyncio.new_event_loop().run_until_complete(child_main()))
        _, status = os.waitpid(pid, 0)
        assert os.WEXITSTATUS(status) == 11, status
        await asyncio.sleep(0.001)


asyncio.run(main())
print("ended")
