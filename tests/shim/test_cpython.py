# SPDX-License-Identifier: Apache-2.0
"""CPython's own tests pass under the shim, by tools/regrtest: a core of them, and with
LOOPHOUND_TEST_LONG=1 all of them, which takes ten minutes to an hour for each Python."""
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


def regrtest(python, *tests):
    """A Python of the sid root has the sid root's tools/sid in front, and so has its regrtest."""
    env = {**os.environ, "LOOPHOUND_BUILD": paths.BUILD}
    tool, options = os.path.join(paths.TREE, "tools", "regrtest"), []
    if tests:
        # Most of what the core does is to sleep.
        options = ["-j", "4"]
    outcome = subprocess.run([*python.argv[:-1], tool, *options, python.argv[-1], *tests],
                             env=env, capture_output=True, text=True)
    if outcome.returncode == 77:
        runner.skip(f"{python} has no tests of its own")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@test(each=some_pythons, timeout=400)
def no_core_test_fails_under_the_shim_alone(python):
    regrtest(python, *CORE)


@test(each=pythons.every, timeout=7200)
def no_test_at_all_fails_under_the_shim_alone(python):
    if os.environ.get("LOOPHOUND_TEST_LONG") != "1":
        runner.skip("it takes up to an hour: LOOPHOUND_TEST_LONG=1")
    if python.origin == "sid":
        subprocess.run([pythons.SID, "tests"], check=True)
    regrtest(python)


runner.main(__name__, at_once=2)
