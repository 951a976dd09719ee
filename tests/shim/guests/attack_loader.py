# SPDX-License-Identifier: Apache-2.0
"""A first loop starts while another thread's dlopen() waits for the GIL in a constructor."""
import asyncio
import ctypes
import os
import sys
import threading
import time

libc = ctypes.CDLL(None)
libc.dlopen.restype = ctypes.c_void_p
path = os.path.join(os.path.dirname(sys.argv[1]), "libconstructor.so").encode()
thread = threading.Thread(target=lambda: libc.dlopen(path, os.RTLD_NOW))
thread.start()
time.sleep(0.2)
asyncio.run(asyncio.sleep(0.01))
thread.join()
print("ended")
