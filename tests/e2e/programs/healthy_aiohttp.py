# SPDX-License-Identifier: Apache-2.0
"""A healthy aiohttp service. healthy_aiohttp.py PORT [uvloop]"""
import asyncio
import sys

from aiohttp import web

routes = web.RouteTableDef()


@routes.get("/")
async def index(request):
    await asyncio.sleep(0)
    return web.json_response({"items": list(range(17))})


async def announce(app):
    print("serving", flush=True)
    print("a line on the other stream", file=sys.stderr, flush=True)


async def farewell(app):
    print("ended", flush=True)


app = web.Application()
app.add_routes(routes)
app.on_startup.append(announce)
app.on_cleanup.append(farewell)

loop = None
if sys.argv[-1] == "uvloop":
    import uvloop

    loop = uvloop.new_event_loop()
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None, loop=loop)
sys.exit(5)
