# SPDX-License-Identifier: Apache-2.0
"""Tasks and futures that cannot be made say why, and leave nothing behind."""
import asyncio

import _loops


async def work():
    await asyncio.sleep(0)


class Future(asyncio.Future):
    pass


class Task(asyncio.Task):
    pass


def refused(kind, *arguments, **keywords):
    try:
        kind(*arguments, **keywords)
    except Exception as error:
        return type(error)
    return None


async def main():
    loop = asyncio.get_running_loop()
    for kind in asyncio.Future, Future:
        assert refused(kind, 42) is TypeError
        assert refused(kind, wrong=1) is TypeError
    for kind in asyncio.Task, Task:
        assert refused(kind) is TypeError
        assert refused(kind, 42, loop=loop) is TypeError


_loops.run(main())
print("done")
