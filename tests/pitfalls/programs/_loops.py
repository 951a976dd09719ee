# SPDX-License-Identifier: Apache-2.0
"""What the forms share: the loop that the command line asks for, and no code of theirs."""
import asyncio
import gc
import os
import sys

# Cycles are collected when a form says so, and not wherever the count of objects is reached.
gc.disable()
sys.path.append(os.path.join(os.path.dirname(os.path.realpath(__file__)), "site-packages"))


def new_loop():
    if sys.argv[1] == "uvloop":
        import uvloop
        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def run(main):
    """asyncio.run() on that loop; uvloop is only met where there is asyncio.Runner."""
    if sys.argv[1] == "asyncio":
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main)


async def others_end():
    """Until every other task of the loop has ended; none is held meanwhile."""
    while len(asyncio.all_tasks()) > 1:
        await asyncio.sleep(0.001)
