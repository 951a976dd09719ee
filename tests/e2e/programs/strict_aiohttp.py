# SPDX-License-Identifier: Apache-2.0
"""An aiohttp service and its own client in one loop: strict_aiohttp.py [uvloop]"""
import asyncio

import aiohttp
import either
from aiohttp import web


async def echo(request):
    return web.Response(body=await request.read())


async def talk(request):
    answer = web.WebSocketResponse()
    await answer.prepare(request)
    async for message in answer:
        await answer.send_str(message.data)
    return answer


async def main():
    app = web.Application()
    app.add_routes([web.post("/", echo), web.get("/talk", talk)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    url = f"http://localhost:{port}"
    async with aiohttp.ClientSession() as session:
        for size in (1, 101, 100003):
            async with session.post(url + "/", data=b"x" * size) as answer:
                assert len(await answer.read()) == size
        async with session.ws_connect(url + "/talk") as socket:
            await socket.send_str("hello")
            assert (await socket.receive()).data == "hello"
    await runner.cleanup()


either.run(main())
