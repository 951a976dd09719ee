# SPDX-License-Identifier: Apache-2.0
"""Exceptions that are told, raised again, expected, or a library's own affair."""
import asyncio
import contextlib
import sys

import _loops
import anylib

# NEEDS: 3.12 strict

seen = []


async def fails():
    await asyncio.sleep(0)
    raise ValueError("no")


async def told():
    try:
        await fails()
    except Exception as error:
        seen.append(error)


async def raised_again():
    try:
        await fails()
    except Exception:
        raise


async def expected():
    try:
        await fails()
    except ValueError:
        pass
    with contextlib.suppress(Exception):
        await fails()


async def noted():
    failed = False
    try:
        await fails()
    except Exception:
        failed = True
    return failed


def no_coroutine():
    try:
        raise ValueError
    except Exception:
        pass


async def cancelled():
    task = asyncio.ensure_future(asyncio.sleep(100))
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except BaseException:
        pass


def tools():
    """Every tool is free, and can be had."""
    for number in range(6):
        assert sys.monitoring.get_tool(number) is None
        sys.monitoring.use_tool_id(number, "mine")
        assert sys.monitoring.get_tool(number) == "mine"
    for number in range(6):
        sys.monitoring.free_tool_id(number)
        assert sys.monitoring.get_tool(number) is None


async def main():
    await told()
    try:
        await raised_again()
    except ValueError:
        pass
    await expected()
    assert await noted()
    await anylib.careless(fails())
    no_coroutine()
    await cancelled()
    tools()


_loops.run(main())
print("done")
