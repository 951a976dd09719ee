# SPDX-License-Identifier: Apache-2.0
"""Quota: a cgroup that gives its processes a share of one CPU, of either version of cgroups."""
import os

from lib import runner

PERIOD_US = 100000
V1 = "/sys/fs/cgroup/cpu"
V2 = "/sys/fs/cgroup"


class Quota:
    def __init__(self, share):
        self.share = share
        self.path = None

    def __enter__(self):
        try:
            self._make()
        except OSError as error:
            runner.skip(f"no cgroup with a quota can be made here: {error}")
        return self

    def _make(self):
        is_v1 = os.path.exists(os.path.join(V1, "cpu.cfs_quota_us"))
        self.path = os.path.join(V1 if is_v1 else V2, f"loophound-test-{os.getpid()}")
        os.mkdir(self.path)
        quota = int(PERIOD_US * self.share)
        if is_v1:
            self._write("cpu.cfs_period_us", PERIOD_US)
            self._write("cpu.cfs_quota_us", quota)
        else:
            self._write("cpu.max", f"{quota} {PERIOD_US}")

    def _write(self, name, value):
        with open(os.path.join(self.path, name), "w") as file:
            file.write(str(value))

    def take(self, pid):
        self._write("cgroup.procs", pid)

    def argv(self, argv):
        """A command that runs in it from its start."""
        procs = os.path.join(self.path, "cgroup.procs")
        return ["/bin/sh", "-c", f'echo $$ >{procs} && exec "$@"', "sh", *argv]

    def __exit__(self, *_):
        if self.path:
            os.rmdir(self.path)
