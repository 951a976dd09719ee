# SPDX-License-Identifier: Apache-2.0
"""An ASGI application: /sleep blocks its loop, anything else does not; all say which worker it was."""
import os
import time


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/sleep":
        time.sleep(0.025)  # BAD: blocking-call 101
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % os.getpid()})
