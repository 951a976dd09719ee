# SPDX-License-Identifier: Apache-2.0
"""Gate: a service that idles in its loop until it is told to go on, and then is another program.

`gate.py PROGRAM ARGS` says `ready PID` when its loop sleeps; a line on stdin lets it run PROGRAM.
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


sys.stdout.reconfigure(line_buffering=True)
asyncio.run(idle())
sys.stdin.readline()
del sys.argv[0]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
