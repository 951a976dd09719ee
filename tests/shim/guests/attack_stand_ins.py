# SPDX-License-Identifier: Apache-2.0
"""Modules that are not what their names say, as documentation and tests put them in place."""
import os
import sys
import types

NAMES = {
    "greenlet._greenlet": ("greenlet", "_C_API"),
    "gevent._gevent_c_hub_local": ("_Threadlocal",),
    "trio._core._run": ("GLOBAL_RUN_CONTEXT",),
}


class Noisy:
    """Tells of whoever looks at it."""
    def __getattr__(self, name):
        print("asked for", name)
        raise AttributeError(name)

    __eq__ = __hash__ = __bool__ = None


def module(name, value):
    made = types.ModuleType(name)
    made.__dict__.update({each: value for each in NAMES[name]})
    return made


def stand_ins(name):
    yield None
    yield 7
    yield Noisy()
    yield types.ModuleType(name)
    for value in (None, 7, object(), Noisy(), Noisy, object, type, len, types.SimpleNamespace()):
        yield module(name, value)


def replace(modules):
    """Names of modules that are there, and whole modules that are not."""
    import select
    before, select.epoll = select.epoll, getattr(modules[0], "__dict__", {}).get("greenlet", modules[0])
    sys.modules.update(zip(NAMES, modules))
    import json  # noqa: F401
    select.epoll = before
    for name in NAMES:
        del sys.modules[name]


def run(modules):
    replace(modules)

    class Plain:
        pass

    try:
        Plain(7)
    except TypeError as error:
        print(error)
    import asyncio
    import select
    import ssl
    ssl.SSLSocket = modules[0]
    select.epoll().close()
    asyncio.run(asyncio.sleep(0.01))
    print("as it is", flush=True)


for each in zip(*map(stand_ins, NAMES)):
    pid = os.fork()
    if not pid:
        run(each)
        os._exit(0)
    print(os.waitpid(pid, 0)[1], flush=True)
