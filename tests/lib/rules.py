# SPDX-License-Identifier: Apache-2.0
"""Rules: every call that the ASYNC2xx rules of flake8-async and ruff list, and its right form.

As of flake8-async 26.1 (visitor2xx.py) and ruff 0.16 (flake8_async/rules). A row is one call, wrong
inside a coroutine. `program()` makes a program of them all, a coroutine for each call, the wrong
ones marked; or of their right forms, where a row that names none does the same in a thread.

Not here, since there is nothing to run: httpx.connect, httpx.trace, requests.connect and
requests.trace (ruff 210) are no functions; urllib3.request is one from urllib3 2.0 on; Path.lchmod
raises on Linux; os.path._joinrealpath is the inside of realpath; ASYNC200 is what a user lists.
"""
import json
import subprocess

HEAD = '''\
import asyncio
import contextlib
import importlib.util
import io
import os
import pathlib
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request


def have(module):
    return importlib.util.find_spec(module) is not None


if have("requests"):
    import requests
if have("urllib3"):
    import urllib3
if have("httpx"):
    import httpx
    # It would look for a .netrc at the first request.
    async_client = httpx.AsyncClient(trust_env=False)
if have("aiohttp"):
    import aiohttp
if have("anyio"):
    import anyio

folder, loop_name = sys.argv[1:]
path, link, environment = folder + "/file", folder + "/link", dict(os.environ)
with open(path, "w") as file:
    file.write("a line\\n" * 7)
os.symlink(path, link)


class Answer(socketserver.StreamRequestHandler):
    def handle(self):
        length = 0
        while True:
            line = self.rfile.readline().strip().lower()
            if not line:
                break
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.rfile.read(length)
        self.wfile.write(b"HTTP/1.0 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        """One that asks for TLS goes away again."""


server = Server(("127.0.0.1", 0), Answer)
threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
port = server.server_address[1]
url = f"http://127.0.0.1:{port}/"


def away(function, *arguments):
    return asyncio.get_running_loop().run_in_executor(None, function, *arguments)


def make_child():
    return os.posix_spawn("/bin/true", ["true"], environment)


def make_file(name):
    with open(name, "w") as file:
        file.write("new")


async def over_aiohttp(method):
    async with aiohttp.ClientSession() as session:
        async with session.request(method, url) as response:
            await response.read()


async def run(*words):
    process = await asyncio.create_subprocess_exec(*words)
    await process.wait()


async def run_shell(words):
    process = await asyncio.create_subprocess_shell(words)
    await process.wait()


'''

TAIL = '''

async def main():
    for number, row in enumerate(rows):
        await row(f"{folder}/new-{number}")
    if have("httpx"):
        await async_client.aclose()


def start():
    if loop_name == "uvloop":
        import uvloop
        uvloop.install()
    try:
        asyncio.run(main())
    finally:
        server.shutdown()
        server.server_close()
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    print(len(rows))


start()
'''


class Row:
    """wrong: an expression. before, after: statements; new is a path of the row's own."""

    def __init__(self, rule, wrong, right=None, needs="True", before=None, after=None):
        self.rule, self.wrong, self.right = rule, wrong, right
        self.needs, self.before, self.after = needs, before, after


def http():
    methods = ("get", "options", "head", "post", "put", "patch", "delete")
    for library in ("requests", "httpx"):
        needs = f"have('{library}')"
        for method in methods:
            yield Row(210, f"{library}.{method}(url)",
                      f"await over_aiohttp('{method}')" if library == "requests" else
                      f"await async_client.{method}(url)", needs)
        yield Row(210, f"{library}.request('GET', url)", None, needs)
    yield Row(210, "urllib.request.urlopen(url).read()")
    yield Row(211, "urllib3.PoolManager().request('GET', url)", None, "have('urllib3')")
    for pool in ("HTTPConnectionPool('127.0.0.1', port).request('GET', '/')",
                 "HTTPConnectionPool('127.0.0.1', port).urlopen('GET', '/')",
                 "PoolManager().urlopen('GET', url)", "ProxyManager(url).request('GET', url)",
                 "connection_from_url(url).request('GET', '/')"):
        yield Row(212, f"urllib3.{pool}", None, "have('urllib3')")
    made = "client = await away(httpx.Client)"
    closed = "await away(client.close)"
    for method in methods:
        yield Row(212, f"client.{method}(url)", f"await async_client.{method}(url)",
                  "have('httpx')", made, closed)
    yield Row(212, "client.request('GET', url)", "await async_client.request('GET', url)",
              "have('httpx')", made, closed)
    yield Row(212, "client.send(client.build_request('GET', url))",
              "await async_client.send(async_client.build_request('GET', url))",
              "have('httpx')", made, closed)
    yield Row(212, "(context := client.stream('GET', url)).__enter__().read()", None,
              "have('httpx')", made, closed)


def processes():
    yield Row(220, "subprocess.Popen(['true']).wait()", "await run('true')")
    yield Row(220, "os.popen('true').close()", "await run_shell('true')")
    for mode, rule in (("NOWAIT", 220), ("WAIT", 221)):
        for form, arguments in (("l", "'true', 'true'"), ("v", "'true', ['true']")):
            for end in ("", "p", "e", "pe"):
                words = arguments if "p" in end else arguments.replace("'", "'/bin/", 1)
                words += ", environment" if "e" in end else ""
                yield Row(rule, f"os.spawn{form}{end}(os.P_{mode}, {words})", "await run('true')")
    yield Row(221, "os.system('true')", "await run_shell('true')")
    yield Row(221, "os.posix_spawn('/bin/true', ['true'], environment)", "await run('true')")
    yield Row(221, "os.posix_spawnp('true', ['true'], environment)", "await run('true')")
    for name in ("run", "call", "check_call", "check_output"):
        yield Row(221, f"subprocess.{name}(['true'])", "await run('true')")
    yield Row(221, "subprocess.getoutput('true')", "await run_shell('true')")
    yield Row(221, "subprocess.getstatusoutput('true')", "await run_shell('true')")
    made = "child = await away(make_child)"
    for call in ("wait()", "wait3(0)"):
        yield Row(222, f"os.{call}", None, before=made)


def waits():
    """Before those that wait for any child."""
    made = "child = await away(make_child)"
    for call in ("waitpid(child, 0)", "wait4(child, 0)", "waitid(os.P_PID, child, os.WEXITED)"):
        yield Row(222, f"os.{call}", None, before=made)


def files():
    anyio_open = "await (await anyio.open_file(path)).aclose()"
    for call in ("open(path)", "io.open(path)", "io.open_code(path)", "pathlib.Path(path).open()"):
        yield Row(230, f"{call}.close()", anyio_open)
    yield Row(231, "os.fdopen(fd).close()", None, before="fd = await away(os.open, path, 0)")
    text = ("read()", "read(3)", "readline()", "readlines()", "__next__()", "truncate(9)",
            "write('x' * 1000000)", "writelines(['x' * 1000000])")
    data = {"rb": ("read()", "read(3)", "read1()", "readinto(bytearray(9))",
                   "readinto1(bytearray(9))", "readline()", "readlines()", "peek()"),
            "wb": ("write(b'x' * 1000000)", "writelines([b'x' * 1000000])", "truncate(3)"),
            "r+b": ("read()", "readline()", "write(b'x' * 1000000)", "truncate(3)")}
    modes = [("r+", text), *data.items()]
    for mode, calls in modes:
        for call in calls:
            yield Row(232, f"file.{call}", wrapped(call), before=opened(mode),
                      after="await away(file.close)")
    for mode, word in (("r+", "'x'"), ("wb", "b'x'"), ("r+b", "b'x'")):
        for call in ("flush()", "close()"):
            yield Row(232, f"file.{call}", wrapped(call.replace("close", "aclose")),
                      before=f"{opened(mode)}\n    await away(file.write, {word})",
                      after="await away(file.close)")


def opened(mode):
    return ("await away(make_file, new)\n"
            f"    file = await away(open, new, '{mode}')")


def wrapped(call):
    return None if call.startswith(("__", "peek")) else f"await anyio.wrap_file(file).{call}"


def os_paths():
    for name in ("exists", "isdir", "isfile", "islink", "ismount", "realpath", "lexists",
                 "getatime", "getctime", "getmtime", "getsize"):
        right = {"exists": "exists", "isdir": "is_dir", "isfile": "is_file",
                 "islink": "is_symlink", "ismount": "is_mount", "realpath": "resolve"}.get(name,
                                                                                           "stat")
        yield Row(240, f"os.path.{name}(path)", f"await anyio.Path(path).{right}()")
    yield Row(240, "os.path.abspath('relative')", "await anyio.Path('relative').absolute()")
    yield Row(240, "os.path.relpath('relative')")
    yield Row(240, "os.path.expanduser('~root')", "await anyio.Path('~root').expanduser()")
    yield Row(240, "os.path.samefile(path, path)", "await anyio.Path(path).samefile(path)")
    yield Row(240, "os.path.sameopenfile(one, one)", None,
              before="one = await away(os.open, path, 0)", after="await away(os.close, one)")


def path_methods():
    asks = ("exists is_block_device is_char_device is_dir is_fifo is_file is_mount is_socket "
            "is_symlink lstat stat owner group resolve read_bytes read_text")
    for name in asks.split():
        yield Row(240, f"pathlib.Path(path).{name}()", f"await anyio.Path(path).{name}()")
    yield Row(240, "pathlib.Path('relative').absolute()",
              "await anyio.Path('relative').absolute()")
    yield Row(240, "pathlib.Path.cwd()", "await anyio.Path.cwd()")
    yield Row(240, "pathlib.Path('~root').expanduser()", "await anyio.Path('~root').expanduser()")
    yield Row(240, "pathlib.Path(path).samefile(path)", "await anyio.Path(path).samefile(path)")
    yield Row(240, "pathlib.Path(link).readlink()", "await anyio.Path(link).readlink()",
              "hasattr(pathlib.Path, 'readlink')")
    for name in ("iterdir()", "glob('*')", "rglob('*')"):
        yield Row(240, f"list(pathlib.Path(folder).{name})",
                  f"[_ async for _ in anyio.Path(folder).{name}]")
    yield Row(240, "list(pathlib.Path(folder).walk())", None, "hasattr(pathlib.Path, 'walk')")
    for call in ("mkdir()", "touch()", "write_bytes(b'x')", "write_text('x')", "symlink_to(path)"):
        yield Row(240, f"pathlib.Path(new).{call}", f"await anyio.Path(new).{call}")
    yield Row(240, "pathlib.Path(new).hardlink_to(path)", None,
              "hasattr(pathlib.Path, 'hardlink_to')")
    yield Row(240, "pathlib.Path(path).link_to(new)", None, "hasattr(pathlib.Path, 'link_to')")
    made = "await away(make_file, new)"
    for call in ("chmod(0o600)", "rename(new + '-')", "replace(new + '-')", "unlink()"):
        yield Row(240, f"pathlib.Path(new).{call}", f"await anyio.Path(new).{call}", before=made)
    yield Row(240, "pathlib.Path(new).rmdir()", "await anyio.Path(new).rmdir()",
              before="await away(os.mkdir, new)")
    for call in ("copy(new + '-')", "move(new + '-')", "copy_into(folder + '/into')",
                 "move_into(folder + '/into')"):
        yield Row(240, f"pathlib.Path(new).{call}", None, "hasattr(pathlib.Path, 'copy')",
                  before=f"{made}\n    await away(lambda: os.makedirs(folder + '/into', "
                         "exist_ok=True))")


def rest():
    yield Row(250, "input()")
    yield Row(251, "time.sleep(0.0001)", "await asyncio.sleep(0.0001)")


def never():
    """Listed by the rules, and nothing that could wait on Linux: silent in any form."""
    for call, needs in (("os.path.normpath('/a/../b')", "True"),
                        ("os.path.expanduser('~')", "True"),
                        ("os.path.isjunction(path)", "hasattr(os.path, 'isjunction')"),
                        ("os.path.isdevdrive(path)", "hasattr(os.path, 'isdevdrive')"),
                        ("pathlib.Path.home()", "True"),
                        ("pathlib.Path('~').expanduser()", "True"),
                        ("pathlib.Path(path).absolute()", "True"),
                        ("pathlib.Path(path).is_junction()",
                         "hasattr(pathlib.Path, 'is_junction')")):
        yield Row(0, call, None, needs)
    yield Row(0, "client.close()", None, "have('httpx')", "client = await away(httpx.Client)")


ROWS = [*http(), *processes(), *files(), *os_paths(), *path_methods(), *rest(), *never()]
# Whoever waits for any child may get that of another row.
ROWS[:0] = waits()


def possible(python):
    """The rows that this interpreter has the functions for, and whether it has anyio."""
    needs = [*[row.needs for row in ROWS], "have('anyio')", "have('aiohttp')"]
    asked = HEAD[:HEAD.index("if have(")] + f"""
import json
print(json.dumps([bool(eval(needs)) for needs in {needs}]))
"""
    said = subprocess.run([*python.argv, "-c", asked], capture_output=True, text=True, check=True)
    *rows, has_anyio, has_aiohttp = json.loads(said.stdout)
    return [row for row, is_possible in zip(ROWS, rows) if is_possible], has_anyio, has_aiohttp


def right_form(row, has_anyio, has_aiohttp):
    right = row.right
    if not right or ("anyio" in right and not has_anyio) or \
            ("aiohttp" in right and not has_aiohttp):
        right = f"await away(lambda: {row.wrong})"
    return right


def program(python, is_right):
    """Return: the text of the program, and how many rows it has."""
    rows, has_anyio, has_aiohttp = possible(python)
    text = HEAD + "rows = []\n"
    for number, row in enumerate(rows):
        text += f"\n\nasync def row_{number}(new):  # ASYNC{row.rule}\n"
        text += f"    {row.before}\n" if row.before else ""
        if not row.rule:
            text += f"    {row.wrong}\n"
        elif is_right:
            text += f"    {right_form(row, has_anyio, has_aiohttp)}\n"
        else:
            text += f"    {row.wrong}  # BAD: blocking-call\n"
        text += f"    {row.after}\n" if row.after else ""
        text += f"\n\nrows.append(row_{number})\n"
    return text + TAIL, len(rows)
