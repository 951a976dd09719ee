# SPDX-License-Identifier: Apache-2.0
"""Lets the tests of this folder import tests/lib."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
