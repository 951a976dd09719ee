# SPDX-License-Identifier: Apache-2.0
"""Servers: real ones, each in a private folder on a free port of the loopback, ended when left.

    with servers.redis() as address:    "127.0.0.1:40123"

For want of a server's Debian package the test is skipped.
"""
import contextlib
import getpass
import http.server
import os
import shutil
import subprocess
import tempfile
import threading
import time

from . import load, runner, watch

START_S = 60
END_S = 30
HTTP_DELAY_S = 0.4


def program(name, package):
    """Also where the path of an ordinary user does not lead."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    runner.need_package(package, found)
    return found


@contextlib.contextmanager
def folder():
    # Short: the path of a Unix socket must fit in 107 bytes.
    with tempfile.TemporaryDirectory(prefix="server-", dir="/tmp") as path:
        yield path


@contextlib.contextmanager
def serving(argv, port, folder, executable=None):
    """Runs a server in the foreground while its port is needed."""
    log_path = os.path.join(folder, "log")
    with open(log_path, "wb") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env=watch.clean_env(), cwd=folder, executable=executable)

    def said():
        with open(log_path, errors="replace") as log:
            return log.read()[-2000:]

    def ready():
        assert process.poll() is None, f"{argv[0]} ended: {said()}"
        return load.answers(port)

    try:
        load.wait_for(ready, START_S, f"{argv[0]} answers")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def redis():
    # One program that goes by its name; Debian's redis-server adds a service, and a link to it.
    server, port = program("redis-check-rdb", "redis-tools"), load.free_port()
    with folder() as path:
        argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", path, "--save", "",
                "--enable-debug-command", "yes"]
        with serving(argv, port, path, executable=server) as address:
            yield address


@contextlib.contextmanager
def mariadb():
    """Its user root has no password: nobody but this machine's users can come."""
    install = program("mariadb-install-db", "mariadb-server-core")
    server, port = program("mariadbd", "mariadb-server-core"), load.free_port()
    with folder() as path:
        common = ["--no-defaults", f"--user={getpass.getuser()}", f"--datadir={path}/data"]
        made = subprocess.run(
            [install, *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert made.returncode == 0, made.stdout[-2000:]
        argv = [server, *common, f"--socket={path}/socket", f"--pid-file={path}/pid",
                "--bind-address=127.0.0.1", f"--port={port}"]
        with serving(argv, port, path) as address:
            yield address


@contextlib.contextmanager
def privilege_separation_folder():
    """Where sshd of root wants an empty folder, which the service's start would make."""
    path = "/run/sshd"
    is_wanted = os.geteuid() == 0 and not os.path.isdir(path)
    if is_wanted:
        os.mkdir(path, 0o755)
    try:
        yield
    finally:
        if is_wanted:
            os.rmdir(path)


@contextlib.contextmanager
def ssh():
    """Gives "host:port:user:key"."""
    server, keygen = program("sshd", "openssh-server"), program("ssh-keygen", "openssh-client")
    port = load.free_port()
    with folder() as path, privilege_separation_folder():
        for name in ("key", "host"):
            subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", f"{path}/{name}"],
                           check=True, stdin=subprocess.DEVNULL)
        argv = [server, "-D", "-e", "-f", "/dev/null", "-p", str(port)]
        for option in ("ListenAddress=127.0.0.1", f"HostKey={path}/host", "PidFile=none",
                       f"AuthorizedKeysFile={path}/key.pub", "StrictModes=no", "UsePAM=no"):
            argv += ["-o", option]
        with serving(argv, port, path) as address:
            yield f"{address}:{getpass.getuser()}:{path}/key"


class _Late(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/late":
            time.sleep(HTTP_DELAY_S)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def late_http():
    """Answers /late after HTTP_DELAY_S, and anything else at once."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Late) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
