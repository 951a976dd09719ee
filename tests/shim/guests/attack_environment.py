# SPDX-License-Identifier: Apache-2.0
"""The environment moves about in memory while a loop runs and no daemon is there."""
import asyncio
import ctypes
import sys

library = ctypes.CDLL(sys.argv[1])
library.environment_churn()
asyncio.run(asyncio.sleep(2))
library.environment_rest()
print("ended")
