# SPDX-License-Identifier: Apache-2.0
"""Loops that wait in a chain of C functions: chains.py HOW LIBRARY…

    call        the chain
    callback    C, Python, and the chain
    threads     three loops on threads of 64 KiB at once
    forks       in this process, then in 300 children, one after the other
    reload      each library in turn, ten times, unloaded before the next
"""
import asyncio
import ctypes
import os
import sys
import threading

how, *paths = sys.argv[1:]
sorts = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


def call(library):
    library.chain_a()


def callback(library):
    @sorts
    def compare(a, b):
        call(library)
        return 0

    library.chain_sort(compare)


async def calls(function, library):
    function(library)


def run(function=call, path=paths[0]):
    library = ctypes.CDLL(path)
    asyncio.run(calls(function, library))
    return library


if how == "threads":
    threading.stack_size(65536)
    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
elif how == "forks":
    run()
    for _ in range(300):
        pid = os.fork()
        if not pid:
            run()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
elif how == "reload":
    import _ctypes
    places = set()
    for _ in range(10):
        for path in paths:
            library = run(path=path)
            places.add(ctypes.cast(library.chain_a, ctypes.c_void_p).value)
            _ctypes.dlclose(library._handle)
            del library
    print(len(places))
else:
    run({"call": call, "callback": callback}[how])
