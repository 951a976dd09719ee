# SPDX-License-Identifier: Apache-2.0
"""A parent without a loop of its own, and workers: forked, forked in a turn, and started anew."""
import asyncio
import multiprocessing
import os
import subprocess
import sys
import time

import either


async def serve():
    await asyncio.sleep(0.3)
    for _ in range(5):
        await asyncio.sleep(0.003)
        time.sleep(0.03)  # BAD: blocking-call 20


async def forks():
    """The child has the turn of its parent on its stack, and works long in there."""
    await asyncio.sleep(0.05)
    pid = os.fork()
    if pid == 0:
        until = time.thread_time() + 0.3
        while time.thread_time() < until: pass
        os._exit(0)
    while not os.waitpid(pid, os.WNOHANG)[0]:
        await asyncio.sleep(0.01)


def work():
    either.run(serve())


def start_all():
    children = [multiprocessing.get_context("fork").Process(target=work) for _ in range(2)]
    children.append(multiprocessing.get_context("spawn").Process(target=work))
    for child in children:
        child.start()
    here = os.path.dirname(os.path.realpath(__file__))
    path = os.path.join(here, "..", "..", "e2e", "programs")
    words = [sys.executable, __file__, "worker", *sys.argv[1:]]
    anew = subprocess.Popen(["/bin/sh", "-c", '"$0" "$@"; :', *words],
                            env={**os.environ, "PYTHONPATH": path})
    either.run(forks())
    subprocess.run(["/bin/true"], check=True)
    for child in children:
        child.join()
    anew.wait()


if __name__ == "__main__":
    work() if sys.argv[1] == "worker" else start_all()
