# SPDX-License-Identifier: Apache-2.0
"""On PYTHONPATH: there is no _asyncio, as in a build of CPython without it."""
import sys

sys.modules["_asyncio"] = None
