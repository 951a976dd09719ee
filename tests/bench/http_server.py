# SPDX-License-Identifier: Apache-2.0
"""Servers for http_load.py: python3 http_server.py aiohttp|uvicorn-asyncio|uvicorn-uvloop PORT CORE"""
import os
import sys

kind, port = sys.argv[1], int(sys.argv[2])
os.sched_setaffinity(0, {int(sys.argv[3])})

if kind == "aiohttp":
    from aiohttp import web

    async def hello(_):
        return web.json_response({"hello": "world"})

    app = web.Application()
    app.router.add_get("/", hello)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)
else:
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/")
    async def hello():
        return {"hello": "world"}

    uvicorn.run(
        app, host="127.0.0.1", port=port, loop=kind.partition("-")[2], log_level="error",
        access_log=False,
    )
