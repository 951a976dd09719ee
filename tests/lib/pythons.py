# SPDX-License-Identifier: Apache-2.0
"""Pythons: every CPython 3.8 to 3.15 that can be found, each real executable once.

Looked for: python3.* on PATH and in /usr/bin, version managers' folders ($PYENV_ROOT/versions,
~/.pyenv/versions, ~/.local/share/uv/python), LOOPHOUND_PYTHONS (a list of executables separated by
colons), and the Debian sid root of tools/sid.
"""
import functools
import glob
import os
import re
import subprocess

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
SID = os.path.join(TREE, "tools", "sid")
OLDEST, NEWEST = (3, 8), (3, 15)
DEBIAN = "/usr/bin/python3"

# What an interpreter is asked of itself. One line, since it also passes through tools/sid.
QUESTION = (
    "import sys, sysconfig, os; "
    "print(sys.implementation.name, '%d.%d.%d' % sys.version_info[:3], "
    "os.path.realpath(sys.executable), sysconfig.get_config_var('Py_GIL_DISABLED') or 0, "
    "sep='|')"
)


class Python:
    """One interpreter: how to start it (`argv`) and what it is."""

    def __init__(self, argv, version, real, origin, free_threaded=False):
        self.argv = argv
        self.version = version
        self.real = real
        self.origin = origin
        self.free_threaded = free_threaded

    @property
    def minor(self):
        return tuple(int(part) for part in self.version.split(".")[:2])

    @property
    def label(self):
        return f"{self.version}{'t' if self.free_threaded else ''}-{self.origin}"

    def __str__(self):
        return self.label

    def has(self, module):
        return _has(tuple(self.argv), module)


@functools.lru_cache(maxsize=None)
def _has(argv, module):
    result = subprocess.run(
        [*argv, "-c", f"import {module}"], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
    )
    return result.returncode == 0


def _ask(argv, origin):
    try:
        result = subprocess.run(
            [*argv, "-c", QUESTION], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    answer = result.stdout.strip().split("|")
    if result.returncode != 0 or len(answer) != 4 or answer[0] != "cpython":
        return None
    _, version, real, free_threaded = answer
    found = Python(list(argv), version, real, origin, free_threaded == "1")
    return found if OLDEST <= found.minor <= NEWEST else None


def _candidates():
    """(executable, origin), the most precise origin first."""
    for path in filter(None, os.environ.get("LOOPHOUND_PYTHONS", "").split(":")):
        yield path, "given"
    managers = [
        (os.path.join(os.environ.get("PYENV_ROOT", ""), "versions"), "pyenv"),
        (os.path.expanduser("~/.pyenv/versions"), "pyenv"),
        (os.path.expanduser("~/.local/share/uv/python"), "uv"),
    ]
    for folder, origin in managers:
        for path in sorted(glob.glob(os.path.join(folder, "*", "bin", "python3"))):
            yield path, origin
    is_debian = os.path.exists("/etc/debian_version")
    for folder in ["/usr/bin", *os.environ.get("PATH", "").split(":")]:
        for path in sorted(glob.glob(os.path.join(folder, "python3*"))):
            if re.fullmatch(r"python3(\.\d+t?)?", os.path.basename(path)):
                real = os.path.realpath(path)
                yield path, "debian" if is_debian and real.startswith("/usr/bin/") else "path"


def _is_script(path):
    """A version manager's stand-in is a shell script, and is another interpreter each day."""
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return True


@functools.lru_cache(maxsize=None)
def sid_reason():
    """Why the sid root cannot be used, or None."""
    result = subprocess.run([SID, "check"], stdout=subprocess.PIPE, text=True)
    return result.stdout.strip() if result.returncode != 0 else None


@functools.lru_cache(maxsize=None)
def sid():
    """The interpreters of the Debian sid root; empty when it cannot be used."""
    if sid_reason():
        return ()
    found = [_ask([SID, "exec", f"/usr/bin/python3.{minor}"], "sid") for minor in (14, 15)]
    return tuple(filter(None, found))


@functools.lru_cache(maxsize=None)
def host():
    """The interpreters of this machine, oldest first."""
    found = {}
    for path, origin in _candidates():
        real = os.path.realpath(path)
        if real in found or not os.access(real, os.X_OK) or _is_script(real):
            continue
        python = _ask([path], origin)
        if python and python.real not in found:
            found[python.real] = python
    return tuple(sorted(found.values(), key=lambda python: python.minor))


def every():
    return [*host(), *sid()]


def debian():
    """Debian's own Python 3, the one whose packages hold uvicorn and the rest."""
    return _debian()


@functools.lru_cache(maxsize=None)
def _debian():
    found = _ask([DEBIAN], "debian")
    if not found:
        raise RuntimeError(f"{DEBIAN} is not a CPython that loophound knows")
    return found


def having(module):
    """The interpreters that can import this module."""
    return [python for python in every() if python.has(module)]


if __name__ == "__main__":
    for one in every():
        print(f"{one.label:20} {' '.join(one.argv)}")
    if sid_reason():
        print(f"sid: {sid_reason()}")
