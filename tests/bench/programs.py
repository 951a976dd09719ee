# SPDX-License-Identifier: Apache-2.0
"""Programs: what the footprint tests run, told by a word.

    python3 programs.py idle        one loop that sleeps until stdin ends
    python3 programs.py busy        one loop that never sleeps, until stdin ends
    python3 programs.py stalls N MS N functions, each of which holds the loop for MS once; the moment
                                    each began (CLOCK_MONOTONIC, ns) goes to stdout
    python3 programs.py plain       no loop: files, text and numbers, some 0.6e9 instructions

`idle` and `busy` write a line when they have got going.
"""
import asyncio
import os
import sys
import time


async def until_told():
    loop = asyncio.get_running_loop()
    told = loop.create_future()
    loop.add_reader(0, lambda: told.done() or told.set_result(None))
    await asyncio.sleep(0.05)
    os.write(1, b"going\n")
    await told


async def idle():
    await until_told()


async def busy():
    async def spin():
        while True:
            await asyncio.sleep(0)

    spinner = asyncio.ensure_future(spin())
    await until_told()
    spinner.cancel()


STALL = """
def stall_{i}(span_s, begun):
    begun.append(time.monotonic_ns())
    until = time.perf_counter() + span_s
    while time.perf_counter() < until: pass
"""


async def stalls(n, span_ms):
    names, begun = {"time": time}, []
    loop = asyncio.get_running_loop()
    for i in range(n):
        # Each function is a site of its own, and so has a live line of its own.
        exec(compile(STALL.format(i=i), f"/tmp/stall_{i}.py", "exec"), names)
        done = loop.create_future()
        loop.call_soon(names[f"stall_{i}"], span_ms / 1000, begun)
        loop.call_soon(done.set_result, None)
        await done
        # Not in step with the daemon's rounds.
        await asyncio.sleep(0.003 + 0.007 * (i * 7 % 20) / 20)
    os.write(1, "".join(f"{at}\n" for at in begun).encode())


def plain():
    import hashlib
    import json
    import re
    path = f"/tmp/loophound-plain-{os.getpid()}"
    words = re.compile(r"[a-z]+")
    total = 0
    for i in range(100):
        rows = [{"id": k, "name": f"row {k}", "value": k * 1.5} for k in range(50)]
        with open(path, "w") as file:
            json.dump(rows, file)
        with open(path) as file:
            text = file.read()
        total += len(json.loads(text)) + len(words.findall(text))
        total += hashlib.sha256(text.encode()).digest()[0] & 0
        total += sum(sorted((k * 7919) % 1009 for k in range(2000)))
    os.unlink(path)
    print(total)


def main():
    what, *numbers = sys.argv[1:]
    if what == "plain":
        plain()
    else:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(globals()[what](*map(int, numbers)))
        loop.close()


main()
