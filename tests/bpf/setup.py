# SPDX-License-Identifier: Apache-2.0
"""Puts tests/ on the path: every test file here imports this first."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
