# SPDX-License-Identifier: Apache-2.0
"""Other projects' own tests pass when they are watched, by tools/upstream: minutes for each."""
import setup  # noqa: F401
import os
import subprocess

from lib import paths, runner
from lib.runner import test


@test(each=["aiohttp", "uvicorn", "uvloop"], timeout=1100)
def no_test_of_theirs_fails_for_us(project):
    if os.environ.get("LOOPHOUND_TEST_LONG") != "1":
        runner.skip("it takes minutes: LOOPHOUND_TEST_LONG=1")
    env = {**os.environ, "LOOPHOUND_BUILD": paths.BUILD}
    outcome = subprocess.run([os.path.join(paths.TREE, "tools", "upstream"), "run", project],
                             env=env, capture_output=True, text=True)
    if outcome.returncode == 77:
        runner.skip(outcome.stdout.strip())
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


runner.main(__name__)
