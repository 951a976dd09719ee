# SPDX-License-Identifier: Apache-2.0
"""A C signal handler forks while the loop is in its poll; the child goes on."""
import asyncio
import ctypes
import os
import signal
import sys
import threading
import time

library = ctypes.CDLL(sys.argv[1])
library.fork_on_signal()
main_id = threading.get_ident()


def kick():
    time.sleep(0.2)
    signal.pthread_kill(main_id, signal.SIGUSR1)


async def main():
    threading.Thread(target=kick, daemon=True).start()
    await asyncio.sleep(0.5)
    if library.fork_side() == 2:
        os._exit(5)


asyncio.run(main())
print(os.WEXITSTATUS(os.wait()[1]))
