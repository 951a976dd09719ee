# SPDX-License-Identifier: Apache-2.0
"""Paths: where the tree is and where the build put its programs."""
import os

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
BUILD = os.environ.get("LOOPHOUND_BUILD") or os.path.join(TREE, "build")
LOOPHOUND = os.path.join(BUILD, "cli", "loophound")
LOOPHOUNDD = os.path.join(BUILD, "daemon", "loophoundd")
SHIM = os.path.join(BUILD, "shim", "libloophound.so")
SCHEMA = os.path.join(TREE, "docs", "report.schema.json")
SERVICE = os.path.join(TREE, "examples", "service")
PROGRAMS = os.path.join(TREE, "tests", "e2e", "programs")


def program(name):
    return os.path.join(PROGRAMS, name)
