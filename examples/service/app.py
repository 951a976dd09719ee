# SPDX-License-Identifier: Apache-2.0
"""A small service with one healthy endpoint and four that hold up the event loop.

    SERVICE_DSN="dbname=postgres user=service host=/path/of/the/socket" uvicorn app:app

Every answer says which process gave it (`pid`) and, where something was slow, how long the slow
line took as the service itself saw it (`took_ns`). Each line that is wrong is marked with BAD and
the kind of finding it should give, so that tests find the lines by their mark.
"""
import asyncio
import os
import time

import psycopg2
from fastapi import FastAPI

app = FastAPI()
database = None
database_lock = asyncio.Lock()


def answer(started_ns):
    return {"pid": os.getpid(), "took_ns": time.perf_counter_ns() - started_ns}


async def connection():
    """The one connection of this process, made the right way: not on the loop."""
    global database
    async with database_lock:
        if database is None:
            database = await asyncio.to_thread(psycopg2.connect, os.environ["SERVICE_DSN"])
    return database


async def audit(what):
    await asyncio.sleep(0)
    return what


@app.get("/healthy")
async def healthy():
    await asyncio.sleep(0)
    return {"pid": os.getpid()}


@app.get("/sleep")
async def sleep(seconds: float = 0.15):
    started_ns = time.perf_counter_ns()
    time.sleep(seconds)  # BAD: blocking-call
    return answer(started_ns)


@app.get("/query")
async def query():
    cursor = (await connection()).cursor()
    started_ns = time.perf_counter_ns()
    cursor.execute("select pg_sleep(0.12)")  # BAD: blocking-call
    return answer(started_ns)


@app.get("/cpu")
async def cpu():
    started_ns = time.perf_counter_ns()
    rounds = 0
    # A quarter of a second of this thread's own CPU time, on any machine; one line, so that
    # there is one line to name.
    until = time.thread_time() + 0.25
    while time.thread_time() < until: rounds += 1  # BAD: slow-callback
    return answer(started_ns)


@app.get("/forgot")
async def forgot():
    audit("somebody asked")  # BAD: never-awaited
    return {"pid": os.getpid()}
