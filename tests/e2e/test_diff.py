# SPDX-License-Identifier: Apache-2.0
"""Many files into one report, and one report against another."""
import setup  # noqa: F401
import copy
import json
import os
import subprocess
import tempfile
import time

from lib import formats, lhr, paths, pythons, runner, watch
from lib.report import Report
from lib.runner import test

PROGRAM = """
import asyncio, os, sys, time
def old(): time.sleep(0.05)
def other(): time.sleep(0.05)
async def main(names):
    for name in names:
        await asyncio.sleep(0)
        globals()[name]()
asyncio.run(main(sys.argv[1:]))
"""
SUFFIXES = ["json", "jsonl", "txt", "md", "sarif", "xml", "folded", "speedscope.json"]
N_MANY = 100000


def folder_with_program():
    folder = tempfile.mkdtemp(prefix="diff-")
    with open(os.path.join(folder, "app.py"), "w") as file:
        file.write(PROGRAM)
    return folder


def report_of(folder, name, *calls):
    path = os.path.join(folder, name)
    outcome = watch.run([paths.LOOPHOUND, "run", "--quiet", "--report", path, "--",
                         *pythons.debian().argv, "app.py", *calls], cwd=folder)
    assert outcome.status == 0, outcome.text()
    return path


def record(folder, *calls, env=None):
    """A recording by the shim alone."""
    records = tempfile.mkdtemp(prefix="rec-", dir=folder)
    watch.run([*pythons.debian().argv, "app.py", *calls], cwd=folder,
              env={"LD_PRELOAD": paths.SHIM, "LOOPHOUND_DIR": records, **(env or {})})
    file, = os.listdir(records)
    return os.path.join(records, file)


def report(*arguments, **keywords):
    return watch.run([paths.LOOPHOUND, "report", *arguments], **keywords)


def diff(*arguments, **keywords):
    return watch.run([paths.LOOPHOUND, "diff", *arguments], **keywords)


@test
def reports_and_recordings_merge_into_one():
    folder = folder_with_program()
    files = [report_of(folder, "a.json", "old", "old"), record(folder, "old", "other", "other"),
             report_of(folder, "b.json", "other")]
    outcome = report("--json", *files)
    assert outcome.status == 0, outcome.text()
    merged = Report(json.loads(outcome.stdout))
    counts = {f["culprit"]["function"]: f["count"] for f in merged.findings}
    assert counts == {"old": 3, "other": 3}, merged.brief()
    assert len(merged.processes) == len(merged.loops) == 3
    assert all(len(f["pids"]) == 2 for f in merged.findings)
    parts = [Report.load(files[0]), Report(json.loads(report("--json", files[1]).stdout)), Report.load(files[2])]
    for key in ("total_ns", "count"):
        assert sum(f[key] for f in merged.findings) == sum(f[key] for p in parts for f in p.findings)
    assert merged.raw["started"] == min(part.raw["started"] for part in parts)
    assert merged.raw["ended"] == max(part.raw["ended"] for part in parts)
    # What was merged merges again, and by itself stays what it is.
    again = os.path.join(folder, "again.json")
    report("--quiet", "--report", again, *files)
    once = json.loads(report("--json", again).stdout)
    assert once == merged.raw


@test
def what_is_merged_keeps_whose_frames_they_are():
    folder = folder_with_program()
    path = os.path.join(folder, "native.json")
    outcome = watch.run([paths.LOOPHOUND, "run", "--quiet", "--native", "--report", path, "--",
                         *pythons.debian().argv, "app.py", "old"], cwd=folder)
    assert outcome.status == 0, outcome.text()
    frames = Report.load(path).findings[0]["stacks"][0]["frames"]
    assert {(frame["kind"], frame["own"]) for frame in frames} == {
        ("native", False), ("python", False), ("python", True)}, frames
    merged = json.loads(report("--json", path).stdout)
    assert merged["findings"][0]["stacks"][0]["frames"] == frames


@test
def an_installed_application_is_known_after_a_merge():
    """Whose code it is comes from --own-code, which a JSON report has to carry."""
    folder = folder_with_program()
    package = os.path.join(folder, "site-packages", "shop")
    os.makedirs(package)
    open(os.path.join(package, "__init__.py"), "w").close()
    with open(os.path.join(package, "pay.py"), "w") as file:
        file.write("import time\ndef pay():\n    time.sleep(0.05)\ndef checkout():\n    pay()\n")
    with open(os.path.join(folder, "main.py"), "w") as file:
        file.write("import asyncio, sys\nsys.path.insert(0, 'site-packages')\nfrom shop.pay import checkout\n"
                   "async def main():\n    checkout()\nasyncio.run(main())\n")
    path, baseline = os.path.join(folder, "r.json"), os.path.join(folder, "b.txt")
    outcome = watch.run([paths.LOOPHOUND, "run", "--quiet", "--own-code", "shop", "--report", path, "--baseline",
                         baseline, "--update-baseline", "--accept-new", "--", *pythons.debian().argv, "main.py"],
                        cwd=folder)
    assert outcome.status == 0, outcome.text()
    with open(baseline) as file:
        assert "\tshop.pay:checkout < main:main\n" in file.read()
    outcome = report("--quiet", "--baseline", baseline, "--fail-on", "any", path)
    assert outcome.status == 0, outcome.text()


@test
def gates_hold_for_what_was_merged():
    folder = folder_with_program()
    files = [report_of(folder, f"{n}.json", "old", "old") for n in range(3)]
    assert report("--quiet", "--fail-on", "blocking-call:count>6", *files).status == 0
    outcome = report("--quiet", "--fail-on", "blocking-call:count>5", *files)
    assert outcome.status == 3 and b"6 times" in outcome.stderr, outcome.text()


@test
def what_is_no_report_is_told():
    folder = folder_with_program()
    good = report_of(folder, "a.json", "old")
    for text in ("{", "{}", '{"schema": "other/1"}', '{"schema": "loophound.report/1", "findings": [1]}',
                 '{"schema": "loophound.report/1", "findings": [{"kind": "none"}]}', "{} x", "[]", "nothing"):
        bad = os.path.join(folder, "bad.json")
        with open(bad, "w") as file:
            file.write(text)
        outcome = report("--quiet", bad)
        lines = outcome.stderr.decode().splitlines()
        assert outcome.status == 4 and len(lines) == 1 and "bad.json is no " in lines[0], outcome.text()
        assert diff(good, bad).status == 4
    assert diff(good, os.path.join(folder, "none.json")).status == 4
    assert diff(good).status == 2 and diff(good, good, good).status == 2


@test
def nothing_worse_is_0():
    folder = folder_with_program()
    base, now = report_of(folder, "a.json", "old", "old"), report_of(folder, "b.json", "old")
    outcome = diff(base, now)
    assert outcome.status == 0, outcome.text()
    assert b"0 new, 0 worse, 1 known, 0 gone" in outcome.stdout, outcome.text()
    assert b"blocking-call" not in outcome.stdout, outcome.text()


@test
def new_worse_and_gone_are_told_and_3():
    folder = folder_with_program()
    base, now = report_of(folder, "a.json", "old"), report_of(folder, "b.json", "other")
    outcome = diff(base, now)
    assert outcome.status == 3, outcome.text()
    assert b"1 new, 0 worse, 0 known, 1 gone" in outcome.stdout, outcome.text()
    assert b"app.py:4 other" in outcome.stdout, outcome.text()
    assert b"gone: blocking-call app:old clock_nanosleep" in outcome.stdout, outcome.text()
    many = report_of(folder, "c.json", *["old"] * 3)
    outcome = diff("--json", base, many)
    assert outcome.status == 3, outcome.text()
    raw = json.loads(outcome.stdout)
    import jsonschema
    with open(os.path.join(paths.TREE, "docs", "diff.schema.json")) as file:
        jsonschema.validate(raw, json.load(file))
    assert raw["counts"] == {"new": 0, "worse": 1, "known": 0, "gone": 0} and raw["worse"] is True
    finding, = raw["findings"]
    assert (finding["baseline"], finding["worse"]) == ("worse", "more than twice as often")


@test
def a_side_may_be_several_files_and_recordings():
    folder = folder_with_program()
    side = ",".join([report_of(folder, "a.json", "old"), record(folder, "other")])
    outcome = diff(side, record(folder, "old", "other"))
    assert outcome.status == 0 and b"2 known" in outcome.stdout, outcome.text()


@test
def a_slower_loop_is_worse():
    folder = folder_with_program()
    base = report_of(folder, "a.json", "old")
    raw = Report.load(base).raw
    raw["loops"][0]["lag"]["p99_ns"] = 500_000_000
    worse = os.path.join(folder, "b.json")
    with open(worse, "w") as file:
        json.dump(raw, file)
    outcome = diff(base, worse)
    assert outcome.status == 3 and b"lag-p99" in outcome.stdout and b"500 ms  worse" in outcome.stdout, outcome.text()
    assert diff(worse, base).status == 0


def many_findings(folder):
    """A report of 100,000 findings, each at a line of its own."""
    raw = Report.load(report_of(folder, "one.json", "old")).raw
    finding = raw["findings"][0]
    path = os.path.join(folder, "many.json")
    head = {key: value for key, value in raw.items() if key != "findings"}
    with open(path, "w") as file:
        file.write(json.dumps(head)[:-1] + ', "findings": [')
        for number in range(N_MANY):
            one = copy.copy(finding)
            one["fingerprint"] = f"{number:016x}"
            one["culprit"] = {**finding["culprit"], "line": number + 1, "function": f"f{number}"}
            one["tests"] = [f"tests/test_{number % 997}.py::test_it"]
            one["test"] = one["tests"][0]
            file.write(("," if number else "") + json.dumps(one))
        file.write("]}")
    return path


@test(timeout=400)
def a_hundred_thousand_findings_in_every_format():
    folder = folder_with_program()
    path, baseline = many_findings(folder), os.path.join(folder, "b.txt")
    outputs = [word for suffix in SUFFIXES for word in ("--report", os.path.join(folder, f"r.{suffix}"))]
    started = time.monotonic()
    process = subprocess.Popen([paths.LOOPHOUND, "report", "--quiet", "--baseline", baseline,
                                "--update-baseline", "--accept-new", *outputs, path])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    took, peak_mib = time.monotonic() - started, usage.ru_maxrss / 1024
    runner.note(f"{took:.1f} s, {peak_mib:.0f} MiB")
    assert status == 0 and took < 120 and peak_mib < 1000, (status, took, peak_mib)
    with open(os.path.join(folder, "r.sarif")) as file:
        assert len(json.load(file)["runs"][0]["results"]) == 25000
    assert os.path.getsize(os.path.join(folder, "r.md")) < 1 << 20
    cases = [text for suite, *_, text in formats.junit(os.path.join(folder, "r.xml")) if suite == "loophound tests"]
    assert len(cases) == 997 and not any(cases)  # accepted, so nothing fails
    outcome = report("--quiet", "--baseline", baseline, "--fail-on", "any", path)
    assert outcome.status == 0, outcome.text()


TALKER = """
import asyncio, sys, time
def deep(n):
    return deep(n - 1) if n else time.sleep(0.00003)
async def main():
    for _ in range(int(sys.argv[1])):
        await asyncio.sleep(0)
        deep(20)
asyncio.run(main())
"""
N_RECORDINGS = 200
RECORDING_BYTES = 10_000_000
BYTES_A_CALL = 550


@test(timeout=300)
def two_hundred_recordings_of_ten_megabytes():
    folder = tempfile.mkdtemp(prefix="many-")
    with open(os.path.join(folder, "app.py"), "w") as file:
        file.write(TALKER)
    n_calls = RECORDING_BYTES // BYTES_A_CALL * 11 // 10
    path = record(folder, str(n_calls), env={"LOOPHOUND_OPTIONS": "blocking-call=1us"})
    assert os.path.getsize(path) >= RECORDING_BYTES, os.path.getsize(path)
    out = os.path.join(folder, "out.json")
    others = []
    with open(path, "rb") as file:
        content = file.read()
    for i in range(1, N_RECORDINGS):
        others.append(os.path.join(folder, f"{i}.lhr"))
        with open(others[-1], "wb") as file:
            file.write(lhr.of_another(content, i))
    started = time.monotonic()
    process = subprocess.Popen([paths.LOOPHOUND, "report", "--quiet", "--report", out, path, *others])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    took, peak_mib = time.monotonic() - started, usage.ru_maxrss / 1024
    for other in others:
        os.unlink(other)
    runner.note(f"{os.path.getsize(path) >> 20} MiB each: {took:.1f} s, {peak_mib:.0f} MiB")
    assert status == 0 and took < 30 and peak_mib < 300, (status, took, peak_mib)
    one = Report(json.loads(report("--json", path).stdout)).one("blocking-call")
    assert Report.load(out).one("blocking-call")["count"] == one["count"] * N_RECORDINGS


runner.main(__name__)
