# SPDX-License-Identifier: Apache-2.0
"""What BlockBuster, aiocop and Home Assistant know of, made inside a coroutine, with exact counts.

The calls that linters list are in tests/lib/rules.py. Counts are left open where versions of Python
differ in how they get there.
"""
import asyncio
import glob
import io
import os
import pathlib
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request


class Answer(socketserver.StreamRequestHandler):
    def handle(self):
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")


def serve():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    return server


def child():
    return os.posix_spawn("/bin/true", ["true"], dict(os.environ))


async def http(port):
    urllib.request.urlopen(f"http://127.0.0.1:{port}/").read()  # BAD: blocking-call
    with socket.create_connection(("127.0.0.1", port)) as client:  # BAD: blocking-call
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")  # BAD: blocking-call
        client.recv(1000)  # BAD: blocking-call
    socket.getaddrinfo("localhost", 80)  # BAD: blocking-call 1
    socket.gethostbyname("localhost")  # BAD: blocking-call 1


async def processes(environment):
    process = subprocess.Popen(["true"])  # BAD: blocking-call
    process.wait()  # BAD: blocking-call
    os.popen("true").close()  # BAD: blocking-call
    pid = os.spawnl(os.P_NOWAIT, "/bin/true", "true")  # BAD: blocking-call
    os.waitpid(pid, 0)  # BAD: blocking-call 1
    os.spawnl(os.P_WAIT, "/bin/true", "true")  # BAD: blocking-call
    os.system("true")  # BAD: blocking-call 1
    pid = os.posix_spawn("/bin/true", ["true"], environment)  # BAD: blocking-call 1
    os.waitpid(pid, 0)  # BAD: blocking-call 1
    pid = os.posix_spawnp("true", ["true"], environment)  # BAD: blocking-call 1
    os.wait4(pid, 0)  # BAD: blocking-call 1
    subprocess.run(["true"])  # BAD: blocking-call
    subprocess.call(["true"])  # BAD: blocking-call
    subprocess.check_call(["true"])  # BAD: blocking-call
    subprocess.check_output(["true"])  # BAD: blocking-call
    subprocess.getoutput("true")  # BAD: blocking-call
    subprocess.getstatusoutput("true")  # BAD: blocking-call


async def waits():
    os.wait()  # BAD: blocking-call 1
    os.wait3(0)  # BAD: blocking-call 1
    os.waitid(os.P_ALL, 0, os.WEXITED)  # BAD: blocking-call 1


async def files(path):
    file = open(path, "w+")  # BAD: blocking-call 1
    file.write("one\n" * 200000)  # BAD: blocking-call
    file.write("one more\n")
    file.flush()  # BAD: blocking-call 1
    os.fsync(file.fileno())  # BAD: blocking-call 1
    os.fdatasync(file.fileno())  # BAD: blocking-call 1
    file.seek(0)
    file.readline()  # BAD: blocking-call
    file.close()
    io.open(path).close()  # BAD: blocking-call 1
    io.open_code(path).close()  # BAD: blocking-call 1
    with open(path, "rb", buffering=0) as raw:  # BAD: blocking-call 1
        for _ in range(7):
            raw.read(3)  # BAD: blocking-call 7
    reader = io.BufferedReader(io.FileIO(path))  # BAD: blocking-call 1
    reader.read(3)  # BAD: blocking-call 1
    reader.close()
    fd = os.open(path, os.O_RDWR)  # BAD: blocking-call 1
    with os.fdopen(fd) as file:
        file.read()  # BAD: blocking-call
    input()  # BAD: blocking-call


async def paths(path, folder):
    os.path.abspath("relative")  # BAD: blocking-call 1
    os.path.relpath("relative")  # BAD: blocking-call
    os.path.exists(path)  # BAD: blocking-call 1
    os.path.lexists(path)  # BAD: blocking-call 1
    os.path.getatime(path)  # BAD: blocking-call 1
    os.path.getctime(path)  # BAD: blocking-call 1
    os.path.getmtime(path)  # BAD: blocking-call 1
    os.path.getsize(path)  # BAD: blocking-call 1
    os.path.isdir(path)  # BAD: blocking-call 1
    os.path.isfile(path)  # BAD: blocking-call 1
    os.path.islink(path)  # BAD: blocking-call 1
    os.path.ismount(path)  # BAD: blocking-call
    os.path.realpath(path)  # BAD: blocking-call
    os.path.samefile(path, path)  # BAD: blocking-call 2
    os.getcwd()  # BAD: blocking-call 1
    os.stat(path)  # BAD: blocking-call 1
    os.lstat(path)  # BAD: blocking-call 1
    os.statvfs(path)  # BAD: blocking-call 1
    os.access(path, os.R_OK)  # BAD: blocking-call 1
    os.listdir(folder)  # BAD: blocking-call 1
    list(os.scandir(folder))  # BAD: blocking-call 1
    list(os.walk(folder))  # BAD: blocking-call
    os.mkdir(folder + "/a")  # BAD: blocking-call 1
    os.makedirs(folder + "/b/c")  # BAD: blocking-call
    os.removedirs(folder + "/b/c")  # BAD: blocking-call
    os.rmdir(folder + "/a")  # BAD: blocking-call 1
    os.link(path, folder + "/l")  # BAD: blocking-call 1
    os.symlink(path, folder + "/s")  # BAD: blocking-call 1
    os.readlink(folder + "/s")  # BAD: blocking-call 1
    os.rename(folder + "/l", folder + "/m")  # BAD: blocking-call 1
    os.replace(folder + "/m", folder + "/n")  # BAD: blocking-call 1
    os.chmod(folder + "/n", 0o600)  # BAD: blocking-call 1
    os.utime(folder + "/n")  # BAD: blocking-call 1
    os.truncate(folder + "/n", 3)  # BAD: blocking-call 1
    os.unlink(folder + "/n")  # BAD: blocking-call 1
    os.remove(folder + "/s")  # BAD: blocking-call 1
    glob.glob(folder + "/*")  # BAD: blocking-call
    shutil.copyfile(path, folder + "/copy")  # BAD: blocking-call
    shutil.rmtree(tempfile.mkdtemp())  # BAD: blocking-call


async def pathlibs(path, folder):
    one = pathlib.Path(path)
    two = pathlib.Path(folder, "two")
    pathlib.Path.cwd()  # BAD: blocking-call 1
    pathlib.Path("relative").absolute()  # BAD: blocking-call 1
    one.exists()  # BAD: blocking-call 1
    one.is_file()  # BAD: blocking-call 1
    one.is_dir()  # BAD: blocking-call 1
    one.is_block_device()  # BAD: blocking-call 1
    one.is_char_device()  # BAD: blocking-call 1
    one.is_fifo()  # BAD: blocking-call 1
    one.is_socket()  # BAD: blocking-call 1
    one.is_symlink()  # BAD: blocking-call 1
    one.is_mount()  # BAD: blocking-call
    one.stat()  # BAD: blocking-call 1
    one.lstat()  # BAD: blocking-call 1
    one.owner()  # BAD: blocking-call
    one.group()  # BAD: blocking-call
    one.resolve()  # BAD: blocking-call
    one.samefile(one)  # BAD: blocking-call 2
    one.open().close()  # BAD: blocking-call
    one.read_text()  # BAD: blocking-call
    one.read_bytes()  # BAD: blocking-call
    two.touch()  # BAD: blocking-call
    two.write_text("two")  # BAD: blocking-call
    two.write_bytes(b"two")  # BAD: blocking-call
    two.chmod(0o600)  # BAD: blocking-call 1
    two.rename(pathlib.Path(folder, "three")).replace(two)  # BAD: blocking-call 2
    two.unlink()  # BAD: blocking-call 1
    two.symlink_to(one)  # BAD: blocking-call 1
    two.unlink()  # BAD: blocking-call 1
    two.mkdir()  # BAD: blocking-call 1
    list(two.iterdir())  # BAD: blocking-call 1
    list(two.glob("*"))  # BAD: blocking-call
    list(two.rglob("*"))  # BAD: blocking-call
    two.rmdir()  # BAD: blocking-call 1


async def sleeps_and_locks():
    for _ in range(11):
        time.sleep(0.0001)  # BAD: blocking-call 11
    for _ in range(13):
        time.sleep(0)
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=0.001)  # BAD: blocking-call 1
    lock.acquire(blocking=False)
    threading.Timer(0.005, lock.release).start()
    lock.acquire()  # BAD: blocking-call 1


async def main(folder, server):
    path = os.environ["STRICT_PATH"]
    await http(server.server_address[1])
    await processes(dict(os.environ))
    for _ in range(3):
        await asyncio.get_running_loop().run_in_executor(None, child)
    await waits()
    await files(path)
    await paths(path, folder)
    await pathlibs(path, folder)
    await sleeps_and_locks()


def start():
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STRICT_PATH"] = os.path.join(folder, "file")
        os.mkdir(os.path.join(folder, "work"))
        server = serve()
        try:
            asyncio.run(main(os.path.join(folder, "work"), server))
        finally:
            server.shutdown()
            server.server_close()
    print("ended")


if __name__ == "__main__":
    if sys.argv[1:] == ["uvloop"]:
        import uvloop
        uvloop.install()
    start()
