# SPDX-License-Identifier: Apache-2.0
"""A signal each millisecond, with a Python handler, while the loop works, sleeps and blocks."""
import asyncio
import signal
import time

seen = 0


def on_alarm(*_):
    global seen
    seen += 1


async def main():
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    until = time.monotonic() + 0.3
    # On a busy machine there are fewer of them, for longer.
    while time.monotonic() < until or seen <= 100:
        await asyncio.sleep(0.003)
        time.sleep(0.003)
    before = time.monotonic()
    time.sleep(0.05)
    slept = time.monotonic() - before
    signal.setitimer(signal.ITIMER_REAL, 0)
    print("slept enough", slept >= 0.05, "seen", seen > 100)


signal.signal(signal.SIGALRM, on_alarm)
asyncio.run(main())
print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
