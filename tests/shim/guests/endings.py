# SPDX-License-Identifier: Apache-2.0
"""Ends inside a callback, in the way its argument says."""
import asyncio
import os
import resource
import sys

ENDINGS = {
    "exit": lambda: sys.exit(29),
    "_exit": lambda: os._exit(23),
    "abort": os.abort,
    "kill": lambda: os.kill(os.getpid(), 9),
    "raise": lambda: 1 / 0,
    "exec": lambda: os.execv("/bin/sh", ["sh", "-c", "echo exec; exit 31"]),
    "exec_python": lambda: os.execve(
        sys.executable,
        [sys.executable, "-c", "import asyncio; asyncio.run(asyncio.sleep(0)); print(7)"], {}),
    "stop": lambda: asyncio.get_running_loop().stop(),
}


async def main():
    await asyncio.sleep(0.01)
    ENDINGS[sys.argv[1]]()
    await asyncio.sleep(0.01)

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
asyncio.run(main())
