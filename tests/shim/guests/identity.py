# SPDX-License-Identifier: Apache-2.0
"""What is hooked looks and behaves as it always did."""
import asyncio
import contextvars
import inspect
import pickle
import sys
import warnings

variable = contextvars.ContextVar("variable", default=0)


def body(*args, **names):
    variable.set(1)
    return args, names, variable.get(), sys._getframe().f_back.f_code.co_name


def boom():
    raise KeyError("boom")


async def dropped():
    pass


async def main():
    context = contextvars.copy_context()
    print(context.run(body, 1, two=2))
    print(context[variable], variable.get())
    for wrong in (lambda: context.run(), lambda: context.run(boom), lambda: context.run(context.run),
                  lambda: context.run(context.run, body), lambda: asyncio._set_running_loop(),
                  lambda: contextvars.Context.run(1, body)):
        try:
            wrong()
        except Exception as error:
            trace = []
            step = error.__traceback__
            while step:
                trace.append((step.tb_frame.f_code.co_name, step.tb_lineno))
                step = step.tb_next
            print(type(error).__name__, error, trace)
    depth = 0
    frame = sys._getframe()
    while frame:
        depth += 1
        frame = frame.f_back
    print("depth", depth)
    seen = []
    sys.setprofile(lambda frame, event, arg: seen.append((event, frame.f_code.co_name)))
    await asyncio.sleep(0)
    context.run(body)
    sys.setprofile(None)
    print(seen)
    dropped()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dropped()
    print([(str(w.message), w.lineno, w.filename.endswith("identity.py")) for w in caught])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dropped()
    asyncio.get_running_loop().call_soon(functools_partial)
    await asyncio.sleep(0)


def functools_partial():
    print(sys._getframe(1).f_code.co_name, sys._getframe(2).f_code.co_name)


print(contextvars.Context.run, type(contextvars.Context.run), contextvars.Context.run.__doc__)
print(asyncio._set_running_loop, asyncio._set_running_loop.__doc__)
print(warnings._warn_unawaited_coroutine.__code__.co_name,
      inspect.signature(warnings._warn_unawaited_coroutine))
print(pickle.loads(pickle.dumps(asyncio._set_running_loop)) is asyncio._set_running_loop)
asyncio.run(main())
print(sorted(threading.name for threading in __import__("threading").enumerate()))
