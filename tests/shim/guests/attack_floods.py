# SPDX-License-Identifier: Apache-2.0
"""A turn that is flooded with tasks; meanwhile another loop ends, and a thread without one drops a task."""
import asyncio
import threading


async def nothing():
    pass


def other():
    """A loop that makes no task, and ends."""
    loop = asyncio.new_event_loop()
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()


def in_thread(do, *args):
    thread = threading.Thread(target=do, args=args)
    thread.start()
    thread.join()


async def main():
    dropped = [asyncio.ensure_future(nothing())]
    await dropped[0]
    tasks = [asyncio.ensure_future(nothing()) for _ in range(6000)]
    in_thread(other)
    in_thread(dropped.clear)
    await asyncio.gather(*tasks)
    print(len(tasks))


asyncio.run(main())
print("done")
