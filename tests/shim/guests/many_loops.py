# SPDX-License-Identifier: Apache-2.0
"""More loops at once than there are slots, and many more one after the other."""
import asyncio
import threading

barrier = threading.Barrier(70)


def run():
    async def main():
        barrier.wait()
        await asyncio.sleep(0.01)
        barrier.wait()

    asyncio.run(main())


threads = [threading.Thread(target=run) for _ in range(70)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for _ in range(199):
    thread = threading.Thread(target=asyncio.run, args=(asyncio.sleep(0),))
    thread.start()
    thread.join()
for _ in range(101):
    asyncio.run(asyncio.sleep(0))
print("ended")
