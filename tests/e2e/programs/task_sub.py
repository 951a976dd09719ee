# SPDX-License-Identifier: Apache-2.0
"""A loop in a sub-interpreter, then one in the main one: a blocking call in a named task in each."""
import asyncio
import sys
import time

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

CODE = """
import asyncio
import time

async def inner():
    time.sleep(0.06)

async def main():
    await asyncio.create_task(inner(), name="in a sub-interpreter")

asyncio.run(main())
"""


async def outer():
    time.sleep(0.06)  # BAD: blocking-call 1


async def main():
    await asyncio.create_task(outer(), name="in the main one")


def in_another():
    if sys.version_info >= (3, 13):
        interpreters.exec(interpreters.create("legacy"), CODE)
    elif sys.version_info >= (3, 9):
        interpreters.run_string(interpreters.create(isolated=False), CODE)
    else:
        interpreters.run_string(interpreters.create(), CODE)


in_another()
asyncio.run(main())
print("both")
