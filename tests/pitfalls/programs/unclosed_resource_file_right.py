# SPDX-License-Identifier: Apache-2.0
"""Files that are closed, are another's to close, or have nothing to do with a loop."""
# NEEDS: strict no-detect=blocking-call
import asyncio
import os
import tempfile

import _loops


async def with_a_context():
    with open(__file__) as file:
        assert file.readline()
    with open(__file__, "rb", 0) as file:
        await asyncio.sleep(0)


async def closed():
    file = open(__file__, "rb")
    await asyncio.sleep(0)
    file.close()


async def closed_when_cancelled():
    async def work():
        with open(__file__):
            await asyncio.sleep(60)

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass


async def not_its_own():
    fd = os.open(__file__, os.O_RDONLY)
    file = open(fd, closefd=False)
    assert file.readline()
    del file
    os.close(fd)


async def detached():
    file = open(__file__)
    raw = file.detach().detach()
    raw.close()


async def taken_over():
    fd = os.open(__file__, os.O_RDONLY)
    with open(fd, "rb") as file:
        assert file.read(1) == b"#"


async def temporary():
    with tempfile.TemporaryFile() as file:
        file.write(b"7")
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"7")


async def refused():
    for name in ("/nowhere/at/all", __file__ + "/below"):
        try:
            open(name)
        except OSError:
            pass


async def in_a_thread():
    await asyncio.get_running_loop().run_in_executor(None, lambda: open(__file__).read(1))


def before_the_loop():
    return open(__file__).read(1)


for form in (with_a_context, closed, closed_when_cancelled, not_its_own, detached, taken_over,
             temporary, refused, in_a_thread):
    for _ in range(3):
        _loops.run(form())
assert before_the_loop() == "#"
print("done")
