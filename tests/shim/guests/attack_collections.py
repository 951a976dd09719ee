# SPDX-License-Identifier: Apache-2.0
"""Collections of garbage are seen by the watcher, and nothing of that by what the program asks of gc."""
import asyncio
import os
import sys


def told(phase, info):
    frame = sys._getframe()
    calls.append((phase, info["generation"], sorted(info), frame.f_back.f_code.co_name, depth_of(frame)))


def depth_of(frame):
    depth = 0
    while frame:
        depth, frame = depth + 1, frame.f_back
    return depth


def fails(phase, info):
    raise ValueError(phase)


def leaves(phase, info):
    gc.callbacks.remove(leaves)
    calls.append(("leaves", phase))


class Last:
    def __call__(self, phase, info):
        pass

    def __del__(self, write=os.write):
        write(1, b"the last one is gone\n")


def deep(n):
    """A collection in each frame, the deepest one too."""
    rooms = [{} for _ in range(3)]
    try:
        return deep(n + 1)
    except RecursionError:
        return max(n, len(rooms))


def look(where):
    functions = [each.__name__ for each in gc.get_objects() if type(each) is type(print)]
    print(where, gc.callbacks, sys.getrefcount(gc.callbacks), [type(each).__name__ for each in gc.get_referrers(gc.callbacks)],
          functions.count("print"), functions.count("collection"), gc.get_freeze_count())


async def main():
    global gc
    await asyncio.sleep(0)
    import gc
    look("imported late")
    gc.collect()
    print(gc.get_count()[1:], gc.is_tracked(gc.callbacks))
    gc.callbacks += [told, leaves, fails, told]
    gc.collect()
    gc.collect(0)
    print(*calls, sep="\n")
    gc.callbacks.remove(fails)
    del calls[:]
    before = gc.callbacks
    del sys.modules["gc"]
    import gc
    print("again", gc.callbacks is before, len(gc.callbacks))
    gc.collect()
    print(len(calls))
    gc.callbacks.clear()
    look("cleared")
    gc.freeze()
    gc.unfreeze()
    gc.set_threshold(1)
    sys.setrecursionlimit(250)
    print(deep(0))
    gc.set_threshold(700)
    pid = os.fork()
    if not pid:
        gc.collect()
        look("child")
        sys.stdout.flush()
        os._exit(len(calls))
    print(os.waitpid(pid, 0)[1])
    await asyncio.sleep(0)
    look("end")
    gc.callbacks.append(Last())


calls = []
asyncio.run(main())
asyncio.run(asyncio.sleep(0))
