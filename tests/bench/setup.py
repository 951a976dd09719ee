# SPDX-License-Identifier: Apache-2.0
"""Setup: where tests/lib is, and what the budgets say. Imported first by every test program."""
import os
import sys
import tomllib

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

with open(os.path.join(HERE, "budgets.toml"), "rb") as _file:
    BUDGETS = tomllib.load(_file)


def is_long():
    """The whole table, and not what every run checks."""
    return os.environ.get("LOOPHOUND_TEST_LONG") == "1"
