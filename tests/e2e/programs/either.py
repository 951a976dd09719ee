# SPDX-License-Identifier: Apache-2.0
"""Runs a coroutine on the loop that the last argument of the program names, asyncio by default."""
import asyncio
import sys


def run(coroutine):
    if sys.argv[-1] == "uvloop":
        import uvloop

        # The only spelling that uvloop 0.17 and 0.23 both have.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(coroutine)
    return asyncio.run(coroutine)
