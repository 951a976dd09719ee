# SPDX-License-Identifier: Apache-2.0
"""asyncio patched as tools for debugging do it: Handle._run timed, time.sleep and sockets guarded."""
import asyncio
import socket
import time

real_run = asyncio.events.Handle._run
real_sleep = time.sleep
n_runs = 0


def timed_run(self):
    global n_runs
    n_runs += 1
    began = time.perf_counter()
    result = real_run(self)
    assert time.perf_counter() >= began
    return result


class BlockingError(Exception):
    pass


is_strict = True


def guarded_sleep(seconds):
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return real_sleep(seconds)
    if is_strict:
        raise BlockingError("time.sleep in a loop")
    return real_sleep(seconds)  # BAD: blocking-call 3


class GuardedSocket(socket.socket):
    def recv(self, *arguments):
        if is_strict and self.gettimeout() != 0.0:
            raise BlockingError("recv in a loop")
        return super().recv(*arguments)


async def refused():
    one, other = socket.socketpair()
    guarded = GuardedSocket(fileno=one.detach())
    for wrong in (lambda: time.sleep(0.2), lambda: guarded.recv(1)):
        try:
            wrong()
        except BlockingError:
            pass
        else:
            raise AssertionError
    guarded.close()
    other.close()


async def let_through():
    global is_strict
    is_strict = False
    for _ in range(3):
        time.sleep(0.11)
        await asyncio.sleep(0)
    is_strict = True


async def main():
    await refused()
    await let_through()
    await asyncio.gather(*(asyncio.sleep(0) for _ in range(101)))


asyncio.events.Handle._run = timed_run
time.sleep = guarded_sleep
asyncio.run(main())
assert n_runs > 101
print("done")
