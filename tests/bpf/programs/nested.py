# SPDX-License-Identifier: Apache-2.0
"""A selector of its own, polled inside a callback: a call of the turn, not its end."""
import asyncio
import selectors
import socket

import either


async def main():
    one, other = socket.socketpair()
    own = selectors.EpollSelector()
    own.register(one, selectors.EVENT_READ)
    for _ in range(5):
        await asyncio.sleep(0.002)
        own.select(0.03)  # BAD: blocking-call 5
    own.close()
    one.close()
    other.close()


either.run(main())
