# SPDX-License-Identifier: Apache-2.0
"""CPython's own tests of asyncio, watched and strict: what fails then fails without us too.

A minute or two for each interpreter that has its tests, and as long again unwatched where something
fails: only with LOOPHOUND_TEST_LONG=1.
"""
import setup  # noqa: F401
import os
import re
import tempfile

from lib import paths, pythons, runner, watch
from lib.runner import test

FAILED = re.compile(r"^(?:FAIL|ERROR): (.*)$", re.M)


def failures(python, **environment):
    outcome = watch.run([*python.argv, "-m", "unittest", "test.test_asyncio"], env=environment,
                        timeout=900, cwd=tempfile.mkdtemp())
    said = outcome.stderr.decode(errors="replace")
    ran = re.search(r"^Ran (\d{3,}) tests", said, re.M)
    assert ran, outcome.text()
    failed = set(FAILED.findall(said))
    runner.note(f"{'watched' if environment else 'unwatched'}: {ran[1]} tests, {len(failed)} fail")
    return failed


def watched(python):
    return failures(python, LD_PRELOAD=paths.SHIM, LOOPHOUND_OPTIONS="strict",
                    LOOPHOUND_DIR=tempfile.mkdtemp())


@test(each=[python for python in pythons.every() if python.has("test.test_asyncio")], timeout=4000)
def no_test_of_asyncio_fails_for_us(python):
    if os.environ.get("LOOPHOUND_TEST_LONG") != "1":
        runner.skip("it takes minutes: LOOPHOUND_TEST_LONG=1")
    failed = watched(python)
    if failed:
        failed -= failures(python)
    # As tools/regrtest has it: what depends on the clock fails now and then, with us or without.
    if failed:
        failed &= watched(python)
    assert not failed, sorted(failed)


runner.main(__name__)
