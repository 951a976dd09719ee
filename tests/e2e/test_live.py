# SPDX-License-Identifier: Apache-2.0
"""What is seen while it runs, and the text report at the end."""
import setup  # noqa: F401
import json
import re
import subprocess
import time

from lib import paths, pythons, runner, watch
from lib.report import Report, mark_line
from lib.runner import test


@test
def stall_is_told_when_it_starts_and_when_it_ends():
    path = paths.program("long_stall.py")
    line = mark_line(path, "blocking-call")
    report = watch.report_path()
    with subprocess.Popen(
        watch.run_argv([*pythons.debian().argv, path], report, quiet=False),
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=watch.clean_env(),
    ) as process:
        started = process.stderr.readline().decode()
        while f"long_stall.py:{line}" not in started:
            assert started, "no line told of the stall"
            started = process.stderr.readline().decode()
        # It is told while it lasts: nothing has been written to the program yet.
        process.stdin.write(b"x")
        process.stdin.close()
        rest = process.stderr.read().decode()
        assert process.wait(30) == 0, rest
    ended = [text for text in rest.splitlines() if f"long_stall.py:{line}" in text]
    assert len(ended) >= 2, f"the end of the stall, then the report: {rest}"
    Report.load(report).assert_counts(path)


@test
def many_stalls_at_one_site_are_told_at_most_once_a_second():
    path = paths.program("chatter.py")
    line = mark_line(path, "blocking-call")
    started = time.monotonic()
    outcome = watch.watched([*pythons.debian().argv, path], quiet=False)
    seconds = time.monotonic() - started
    outcome.report.assert_counts(path)
    told = [
        text for text in outcome.stderr.decode().splitlines() if f"chatter.py:{line}" in text
    ]
    # A start and an end for each second, and the report's own.
    assert 2 <= len(told) <= 2 * (seconds + 1) + 2, outcome.text()
    held_back = [int(n) for n in re.findall(r"(\d+) more", outcome.stderr.decode())]
    assert held_back and sum(held_back) <= 101, outcome.text()


@test
def text_report_names_the_sites_and_fits_80_columns():
    path = paths.program("same.py")
    outcome = watch.watched([*pythons.debian().argv, path], quiet=False)
    text = outcome.stderr.decode()
    for kind in ("blocking-call", "slow-callback", "never-awaited"):
        assert kind in text and f"same.py:{mark_line(path, kind)}" in text, outcome.text()
    bare = watch.unwatched([*pythons.debian().argv, path]).stderr.decode().splitlines()
    # A live line is one line, however long; the report after them is to be read.
    wide = [
        line for line in text.splitlines()
        if len(line) >= 80 and line not in bare and not re.match(r"loophound: \d\d:\d\d:", line)
    ]
    assert not wide, wide


@test
def quiet_says_nothing():
    outcome = watch.both([*pythons.debian().argv, paths.program("blocks.py"), "7"])
    assert outcome.stderr == b"", outcome.text()


@test
def text_report_is_written_by_suffix():
    path = watch.report_path().replace(".json", ".txt")
    outcome = watch.run(watch.run_argv(
        [*pythons.debian().argv, paths.program("blocks.py"), "7"], path))
    assert outcome.status == 0, outcome.text()
    with open(path) as file:
        assert "blocks.py" in file.read()


@test
def lines_of_json_are_written_by_suffix():
    path = watch.report_path().replace(".json", ".jsonl")
    outcome = watch.run(watch.run_argv(
        [*pythons.debian().argv, paths.program("same.py")], path))
    assert outcome.status == 3, outcome.text()
    with open(path) as file:
        kinds = [json.loads(line)["kind"] for line in file]
    assert sorted(kinds) == ["blocking-call", "never-awaited", "slow-callback"], kinds


@test
def two_reports_of_one_run_are_both_written():
    other = watch.report_path()
    outcome = watch.watched(
        [*pythons.debian().argv, paths.program("blocks.py"), "7"], ["--report", other])
    second = Report.load(other)
    assert second.counts() == outcome.report.counts()


runner.main(__name__)
