# SPDX-License-Identifier: Apache-2.0
"""Calls the snippets from Python: frames.py LIBRARY FRAME asyncio|uvloop|none"""
import ctypes
import sys

library = ctypes.CDLL(sys.argv[1])
frame, loop = sys.argv[2:4]


def run():
    text = ctypes.create_string_buffer(32768)
    if frame == "plain":
        used = library.snippets_run(0, text, len(text))
    else:
        used = getattr(library, "snippets_run_in_" + frame)(text, len(text))
    assert used > 0, used
    sys.stdout.write(text.raw[:used].decode())


async def main():
    run()
    await asyncio.sleep(0)
    run()

if loop == "none":
    run()
else:
    import asyncio
    if loop == "uvloop":
        import uvloop
        uvloop.install()
    asyncio.run(main())
