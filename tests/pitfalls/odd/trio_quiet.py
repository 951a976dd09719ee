# SPDX-License-Identifier: Apache-2.0
"""Trio used right: nurseries, time limits, sockets, generators, threads, a child, a second run."""
import subprocess
import time

import trio


async def echo(stream):
    async for chunk in stream:
        await stream.send_all(chunk)


async def talks(port):
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        for number in range(101):
            await stream.send_all(b"%03d" % number)
            assert len(await stream.receive_some(100))


async def serves():
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, echo, 0)
        port = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as clients:
            for _ in range(11):
                clients.start_soon(talks, port)
        nursery.cancel_scope.cancel()


async def times_out():
    with trio.move_on_after(0.05) as scope:
        await trio.sleep_forever()
    assert scope.cancelled_caught
    try:
        with trio.fail_after(0.05):
            await trio.sleep(100)
    except trio.TooSlowError:
        pass


async def numbers(n):
    try:
        for number in range(n):
            yield number
            await trio.lowlevel.checkpoint()
    finally:
        with trio.CancelScope(shield=True):
            await trio.lowlevel.checkpoint()


async def iterates():
    assert [number async for number in numbers(5)] == [0, 1, 2, 3, 4]
    items = numbers(5)
    try:
        async for number in items:
            if number == 2:
                break
    finally:
        await items.aclose()
    numbers(7)


async def reads():
    async with await trio.open_file(__file__) as file:
        assert await file.read(1) == "#"


async def main():
    await serves()
    await iterates()
    await reads()
    await times_out()
    await trio.to_thread.run_sync(time.sleep, 0.2)
    result = await trio.run_process(["sleep", "0.3"])
    assert result.returncode == 0
    await trio.sleep(0.5)


trio.run(main)
trio.run(main)
print("done")
