# SPDX-License-Identifier: Apache-2.0
"""A stand-in for re-assert, which Debian 12 does not have: what equals a text that it matches."""
import re


class Matches:
    def __init__(self, pattern, *arguments, **options):
        self.pattern = re.compile(pattern, *arguments, **options)

    def __eq__(self, text):
        return self.pattern.match(text) is not None

    def __repr__(self):
        return f"Matches({self.pattern.pattern!r})"

    def assert_matches(self, text):
        assert self == text, f"{text!r} does not match {self!r}"
