# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server of one's own: a temporary folder, a Unix socket in it, no network.

    with PrivatePostgres() as server:
        psycopg2.connect(server.dsn)

Run as root, the server runs as an unprivileged user, since it refuses root.
"""
import glob
import os
import pwd
import shutil
import stat
import subprocess
import tempfile


class NoPostgres(Exception):
    """Why there can be no server here."""


class PostgresFailed(Exception):
    """A program of the server failed, and what it said."""


def programs_folder():
    found = sorted(
        glob.glob("/usr/lib/postgresql/*/bin/pg_ctl"),
        key=lambda path: int(path.split("/")[4]) if path.split("/")[4].isdigit() else 0,
    )
    if found:
        return os.path.dirname(found[-1])
    on_path = shutil.which("pg_ctl")
    if on_path:
        return os.path.dirname(os.path.realpath(on_path))
    raise NoPostgres("there is no PostgreSQL server (Debian package postgresql)")


class PrivatePostgres:
    def __init__(self):
        self.programs = programs_folder()
        self.folder = None
        self.as_user = []

    @property
    def dsn(self):
        return f"host={self.folder} user=service dbname=postgres"

    def _run(self, program, *arguments):
        command = self.as_user + [os.path.join(self.programs, program), *arguments]
        log_path = os.path.join(self.folder, "log")
        # A server that outlives the command keeps its output open: a file, not a pipe.
        with open(log_path, "ab") as log:
            result = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/"
            )
        if result.returncode != 0:
            with open(log_path, errors="replace") as log:
                raise PostgresFailed(f"{program} failed: {log.read()[-2000:]}")

    def __enter__(self):
        # Short: the path of a Unix socket must fit in 107 bytes.
        self.folder = tempfile.mkdtemp(prefix="service-pg-", dir="/tmp")
        try:
            if os.geteuid() == 0:
                self._drop_root()
            self._run(
                "initdb", "-D", self.folder + "/data", "-U", "service", "-A", "trust",
                "--no-sync", "--locale=C", "-E", "UTF8",
            )
            self._run(
                "pg_ctl", "-D", self.folder + "/data", "-w", "-s", "-t", "60",
                "-o", f"-c listen_addresses= -c fsync=off -k {self.folder}", "start",
            )
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_):
        try:
            self._run("pg_ctl", "-D", self.folder + "/data", "-w", "-s", "-m", "fast", "stop")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _drop_root(self):
        for name in ("postgres", "nobody"):
            try:
                user = pwd.getpwnam(name)
            except KeyError:
                continue
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self.as_user = [
                "setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid),
                "--clear-groups",
            ]
            if not os.stat("/").st_mode & stat.S_IXOTH:
                # A root folder that only root may enter, as mktemp makes one for a chroot.
                # access() forgets capabilities, but for that secure bit.
                self.as_user += ["--securebits", "+no_setuid_fixup",
                                 "--inh-caps", "+dac_read_search",
                                 "--ambient-caps", "+dac_read_search"]
            self.as_user.append("--")
            return
        raise NoPostgres("PostgreSQL does not run as root, and there is no user to run it as")
