# SPDX-License-Identifier: Apache-2.0
"""Waits and computes inside an extension that holds the GIL, and in the interpreter's own C code.

    native.py FOLDER-OF-THE-EXTENSION WHAT…
"""
import asyncio
import re
import signal
import sys

sys.path.insert(0, sys.argv[1])


def wait():
    import native_ext

    native_ext.wait(53)  # BAD: blocking-call 7


def wait_below():
    import native_ext

    def back():
        native_ext.wait(53)  # BAD: blocking-call 3 (below)

    native_ext.call(back)


def spin():
    import native_ext

    native_ext.spin(307)  # SPINS


def endless():
    import native_ext

    signal.alarm(3)
    native_ext.spin(60000)  # NEVER ENDS


def regex():
    re.match("(a+)+$", "a" * 25 + "b")  # MATCHES


def query():
    import psycopg2

    connection = psycopg2.connect(sys.argv[3])
    connection.cursor().execute("select pg_sleep(0.211)")  # QUERIES


async def main():
    for name, count in (("wait", 7), ("wait_below", 3), ("spin", 3), ("endless", 1), ("regex", 1), ("query", 5)):
        for _ in range(count if name == sys.argv[2] else 0):
            await asyncio.sleep(0)
            globals()[name]()


asyncio.run(main())
