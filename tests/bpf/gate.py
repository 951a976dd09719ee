# SPDX-License-Identifier: Apache-2.0
"""Gate: a service that idles in its loop until it is told to go on, and then is another program.

`gate.py PROGRAM ARGS` says `ready PID` when its loop sleeps; a line on stdin lets it run PROGRAM.
What PROGRAM will run its loop by is imported before.
"""
import asyncio
import os
import runpy
import sys


async def idle():
    loop = asyncio.get_running_loop()
    told = loop.create_future()
    loop.add_reader(0, told.set_result, None)
    loop.call_later(0.01, print, f"ready {os.getpid()}")
    await told
    loop.remove_reader(0)


if sys.argv[-1] == "uvloop":
    import uvloop  # noqa: F401
sys.stdout.reconfigure(line_buffering=True)
asyncio.run(idle())
sys.stdin.readline()
del sys.argv[0]
here = os.path.dirname(os.path.realpath(__file__))
sys.path[0:1] = [os.path.dirname(sys.argv[0]), os.path.join(here, "..", "e2e", "programs")]
runpy.run_path(sys.argv[0], run_name="__main__")
