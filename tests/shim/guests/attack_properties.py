# SPDX-License-Identifier: Apache-2.0
"""What the shim looks at is Python code of the program's own: it must not be run."""
import asyncio
import sys
import time

seen = []


class Loop(asyncio.SelectorEventLoop):
    @property
    def _selector(self):
        seen.append(sys._getframe(1).f_code.co_name)
        return self.__dict__["selector"]

    @_selector.setter
    def _selector(self, value):
        self.__dict__["selector"] = value

    def _get_backend_id(self):
        seen.append("_get_backend_id")
        raise SystemExit(3)


class Callback:
    @property
    def __self__(self):
        seen.append("__self__")

    def __call__(self):
        time.sleep(0.12)


class Fresh:
    def __call__(self):
        pass


Partial = type("functools.partial", (), {
    "func": property(lambda self: Fresh()), "__call__": lambda self: time.sleep(0.12)})


async def main():
    loop = asyncio.get_running_loop()
    for callback in (Callback(), Partial(), Partial()):
        loop.call_soon(callback)
    await asyncio.sleep(0.5)


loop = Loop()
loop.run_until_complete(main())
print(sorted(set(seen)), seen.count("run_forever"))
