# SPDX-License-Identifier: Apache-2.0
"""A WSGI application for gevent's workers: what waits in C is not patched."""
import ctypes
import json
import os
import time

libc = ctypes.CDLL(None)


def waits():
    libc.usleep(110_000)  # BAD: blocking-call 7


def computes():
    end = time.thread_time() + 0.3
    while time.thread_time() < end: pass  # BAD: slow-callback 5


def rests():
    time.sleep(0.15)


def app(environ, start_response):
    {"/waits": waits, "/computes": computes, "/rests": rests}[environ["PATH_INFO"]]()
    content = json.dumps({"pid": os.getpid()}).encode()
    start_response("200 OK", [("Content-Type", "application/json"),
                              ("Content-Length", str(len(content)))])
    return [content]
