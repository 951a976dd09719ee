# SPDX-License-Identifier: Apache-2.0
"""Under trio: garbage that takes long to be found."""
import gc
import time

import trio


def more(garbage):
    """Lists that hold themselves, until to find them takes longer than a callback may."""
    for _ in range(300_000):
        each = []
        each.append(each)
        garbage.append(each)
    start = time.thread_time()
    gc.collect()
    return time.thread_time() - start < 0.075


def makes():
    garbage = []
    while more(garbage):
        pass
    return garbage


async def main():
    await trio.lowlevel.checkpoint()
    gc.collect()  # BAD: slow-callback 1
    await trio.lowlevel.checkpoint()


gc.disable()
held = makes()
trio.run(main)
print("done")
