# SPDX-License-Identifier: Apache-2.0
"""The core of CPython's own tests passes under the shim, by tools/regrtest; the whole takes an hour."""
import setup  # noqa: F401
import os
import subprocess

from lib import paths, pythons, runner
from lib.runner import test

CORE = ["test_select", "test_epoll", "test_selectors", "test_poll", "test_thread", "test_fcntl",
        "test_fork1", "test_wait3", "test_wait4", "test_fileio", "test_glob"]
if not runner.quick():
    CORE.append("test_eintr")


def some_pythons():
    host = pythons.host()
    return [host[0], host[-1]]


@test(each=some_pythons, timeout=400)
def no_core_test_fails_under_the_shim_alone(python):
    env = {**os.environ, "LOOPHOUND_BUILD": paths.BUILD}
    outcome = subprocess.run([os.path.join(paths.TREE, "tools", "regrtest"), python.argv[-1], *CORE],
                             env=env, capture_output=True, text=True)
    if outcome.returncode == 77:
        runner.skip(f"{python} has no tests of its own")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


runner.main(__name__, at_once=2)
