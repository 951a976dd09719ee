# SPDX-License-Identifier: Apache-2.0
"""Foreign: code that knows no C library, and Pythons that are not as most are."""
import setup  # noqa: F401
import os
import shutil
import subprocess
import tempfile

import attached
from lib import paths, pythons, runner, watch
from lib.report import Report
from lib.runner import test

MILLISECOND = 1e6
COMPILERS = {
    "c": ("gcc", ["cc", "-O2", "-shared", "-fPIC", "-o"]),
    "rs": ("rustc", ["rustc", "--edition", "2018", "-O", "--crate-type", "cdylib", "-o"]),
    "go": ("golang-go", ["go", "build", "-buildmode=c-shared", "-o"]),
}


def compiled(language):
    """A library of tests/bpf/programs/raw.*, by the compiler itself and nothing from elsewhere."""
    package, command = COMPILERS[language]
    runner.need_package(package, shutil.which(command[0]))
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "raw.so")
    environment = {"HOME": folder, **os.environ, "GO111MODULE": "off", "GOFLAGS": ""}
    built = subprocess.run([*command, path, attached.program(f"raw.{language}")], env=environment,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert built.returncode == 0, built.stdout
    return path


def every_language():
    return [(language, python) for language in COMPILERS for python in pythons.every()]


@test(each=every_language, label=lambda item: f"{item[0]}-{item[1]}")
def system_calls_past_the_c_library_are_calls(item):
    """By the instruction itself, with the GIL held and not; io_uring_enter() likewise."""
    attached.need()
    language, python = item
    path = attached.program("raw.py")
    seen, told = attached.attached(python, path, compiled(language))
    told.report.assert_counts(path)
    spans = [int(word) for word in seen.stdout.split()]
    found = {one["culprit"]["line"]: one for one in told.report.findings}
    names = [found[line]["call"]["name"] for line in sorted(found)]
    assert names == ["nanosleep", "nanosleep", "io_uring_enter"], names
    for line, span in zip(sorted(found), spans, strict=True):
        one = found[line]
        # Shorter than what the program sees by no more than a millisecond each, and never longer.
        assert span - one["count"] * MILLISECOND < one["total_ns"] <= span, (span, one)
    assert not told.report.lost(), told.report.lost()


def watched_by_pid(argv, path, *arguments):
    """As attached.attached(), of a program that is started by argv."""
    report = watch.report_path()
    process = attached.start([*argv, attached.GATE, path, *arguments])
    line = process.stdout.readline().split()
    assert line[:1] == [b"ready"], (line, process.stderr.read())
    loophound = attached.start_attach(int(line[1]), (), report)
    attached.go(process)
    seen = attached.finish(process, [path])
    attached.finish(loophound, ["attach"])
    assert seen.status == 0, seen.text()
    return seen, Report.load(report)


@test
def python_that_is_one_static_file_at_a_fixed_address_is_watched():
    """Debian's has libpython in it, and is not position independent."""
    attached.need()
    real = pythons.debian().real
    with open(real, "rb") as file:
        kind = int.from_bytes(file.read(18)[16:18], "little")
    libraries = subprocess.run(["ldd", real], stdout=subprocess.PIPE, text=True).stdout
    if kind != 2 or "libpython" in libraries:
        runner.skip("Debian's Python is position independent here, or has a libpython")
    path = attached.program("sleeps.py")
    _, told = watched_by_pid(pythons.debian().argv, path)
    told.assert_counts(path)


def config_var(name):
    asked = subprocess.run(
        [pythons.DEBIAN, "-c", f"import sysconfig; print(sysconfig.get_config_var({name!r}) or '')"],
        stdout=subprocess.PIPE, text=True, check=True)
    return asked.stdout.strip()


def static_python(options):
    """Debian's libpython as a program without a loader. Its name says its version, as most do."""
    archive = os.path.join(config_var("LIBPL"), f"libpython{config_var('LDVERSION')}.a")
    runner.need_package("libpython3-dev", os.path.exists(archive))
    path = os.path.join(tempfile.mkdtemp(), f"python{config_var('LDVERSION')}-static")
    words = ["cc", *options, f"-I{config_var('INCLUDEPY')}", "-o", path,
             attached.program("static.c"), archive, "-lexpat", "-lz", "-lm"]
    built = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert built.returncode == 0, built.stdout
    return path


@test(each=["-static", "-static -s"])
def python_without_a_loader_is_watched(options):
    """No shim could be put into it. The second has no symbols, the section of _PyRuntime alone."""
    attached.need()
    exe = static_python(options.split())
    with open(exe, "rb") as file:
        assert b"ld-linux" not in file.read(4096), "it has a loader"
    path = attached.program("sleeps.py")
    seen, told = watched_by_pid(["/usr/bin/env", "PYTHONHOME=/usr", exe], path)
    told.assert_counts(path)
    found = told.one("blocking-call")
    total, longest = (int(word) for word in seen.stdout.split())
    assert abs(found["total_ns"] - total) < found["count"] * MILLISECOND, (found, total)
    assert abs(found["max_ns"] - longest) < MILLISECOND, (found, longest)
    assert not told.lost(), told.lost()
    # What it was preloaded with is ignored.
    outcome = watch.watched(["/usr/bin/env", "PYTHONHOME=/usr", exe, path], ["--quiet"])
    assert not outcome.report.processes, outcome.report.brief()


runner.main(__name__)
