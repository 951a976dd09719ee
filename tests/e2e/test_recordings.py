# SPDX-License-Identifier: Apache-2.0
"""Recordings: what is written when no daemon answers, and what is read of damaged ones."""
import setup  # noqa: F401
import glob
import json
import os
import random
import tempfile

from lib import paths, pythons, runner, watch
from lib.report import Report, mark_line
from lib.runner import fixture, test

BLOCKS = paths.program("blocks.py")
COUNT = 101


def record(argv, env=None, **keywords):
    """Runs a program with the shim and no daemon; (outcome, its recordings)."""
    where = tempfile.mkdtemp(prefix="recordings-")
    outcome = watch.run(argv, env={
        "LD_PRELOAD": paths.SHIM, "LOOPHOUND_DIR": where,
        "LOOPHOUND_SOCKET": where + "/nobody-listens", **(env or {}),
    }, **keywords)
    return outcome, sorted(glob.glob(where + "/*.lhr"))


def read(*files):
    return watch.run([paths.LOOPHOUND, "report", "--json", *files])


@fixture
def recording():
    outcome, files = record([*pythons.debian().argv, BLOCKS, str(COUNT)])
    assert outcome.status == 0 and len(files) == 1, (outcome.text(), files)
    with open(files[0], "rb") as file:
        return {"hex": file.read().hex()}


def write(content):
    fd, path = tempfile.mkstemp(suffix=".lhr")
    with os.fdopen(fd, "wb") as file:
        file.write(content)
    return path


def assert_read(outcome):
    """Nothing crashes, and what is printed is a report."""
    assert outcome.status == 0, outcome.text()
    return Report(json.loads(outcome.stdout))


@test(each=pythons.every)
def program_without_a_daemon_is_as_ever_and_recorded(python):
    path = paths.program("same.py")
    bare = watch.run([*python.argv, path])
    outcome, files = record([*python.argv, path])
    watch.assert_same(bare, outcome)
    report = assert_read(read(*files))
    report.assert_counts(path)
    assert not report.lost(), report.brief()


@test
def workers_write_one_each_and_are_merged():
    path = paths.program("forks.py")
    outcome, files = record([*pythons.debian().argv, path])
    assert outcome.status == 0 and len(files) == 7, (outcome.text(), files)
    assert_read(read(*files)).assert_counts(path)


@test(each=pythons.every)
def durations_are_what_the_program_measured(python):
    path = paths.program("measures.py")
    outcome, files = record([*python.argv, path])
    report = assert_read(read(*files))
    report.assert_counts(path)
    for kind, theirs in zip(("blocking-call", "slow-callback"), outcome.stdout.split()):
        ours_ns, theirs_ns = report.one(kind)["total_ns"], int(theirs)
        assert abs(ours_ns - theirs_ns) <= theirs_ns * 0.01, (kind, ours_ns, theirs_ns)


@test
def whole_recording_is_read_whole(made=recording):
    report = assert_read(read(write(bytes.fromhex(made["hex"]))))
    line = mark_line(BLOCKS, "blocking-call")
    assert report.counts() == {("blocking-call", line): COUNT}, report.brief()
    assert not report.lost(), report.brief()


@test
def truncated_recording_is_read_as_far_as_it_goes(made=recording):
    content = bytes.fromhex(made["hex"])
    line = mark_line(BLOCKS, "blocking-call")
    seen = []
    for part in range(1, 17):
        outcome = read(write(content[:len(content) * part // 17]))
        if outcome.status != 0:
            assert outcome.status == 4 and outcome.stderr, outcome.text()
            seen.append(0)
            continue
        report = Report(json.loads(outcome.stdout))
        assert report.lost(), f"part {part}: a cut recording was called whole\n{report.brief()}"
        counts = report.counts()
        assert set(counts) <= {("blocking-call", line)}, report.brief()
        seen.append(sum(counts.values()))
    assert seen == sorted(seen) and seen[-1] > 0, seen


@test
def corrupt_recording_is_read_without_a_crash(made=recording):
    content = bytes.fromhex(made["hex"])
    chance = random.Random(7)
    for _ in range(53):
        damaged = bytearray(content)
        for _ in range(chance.choice([1, 3, 17])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        outcome = read(write(bytes(damaged)))
        assert outcome.status in (0, 4), outcome.text()
        if outcome.status == 0:
            Report(json.loads(outcome.stdout))
        else:
            assert outcome.stderr, outcome.text()


@test(each=["empty", "noise", "text", "missing", "folder"])
def no_recording_at_all_is_said(what):
    path = {
        "empty": lambda: write(b""),
        "noise": lambda: write(random.Random(7).randbytes(65537)),
        "text": lambda: write(b"not a recording\n" * 101),
        "missing": lambda: "/no/such/recording.lhr",
        "folder": lambda: tempfile.mkdtemp(suffix=".lhr"),
    }[what]()
    outcome = read(path)
    assert outcome.status in (2, 4) and outcome.stdout == b"", outcome.text()
    assert path.encode() in outcome.stderr and len(outcome.stderr.splitlines()) == 1, outcome.text()


@test
def damaged_one_among_good_ones_does_not_hide_them(made=recording):
    content = bytes.fromhex(made["hex"])
    outcome = read(write(content), write(b"not a recording"), write(content))
    # 4, since not all that was asked for could be done; but what could be read was.
    assert outcome.status == 4 and len(outcome.stderr.splitlines()) == 1, outcome.text()
    report = Report(json.loads(outcome.stdout))
    line = mark_line(BLOCKS, "blocking-call")
    assert report.counts() == {("blocking-call", line): 2 * COUNT}, report.brief()
    assert report.lost(), report.brief()


@test
def options_of_the_environment_are_kept_and_a_bad_one_is_said():
    argv = [*pythons.debian().argv, BLOCKS, "7"]
    options = "slow-callback=soon,blocking-call=1s"
    outcome, files = record(argv, env={"LOOPHOUND_OPTIONS": options})
    assert outcome.status == 0 and outcome.stderr == b"", outcome.text()
    report = assert_read(read(*files))
    assert not report.of("blocking-call"), report.brief()
    process, = report.processes
    assert "slow-callback=soon" in (process["complaint"] or ""), process["complaint"]
    shown = watch.run([paths.LOOPHOUND, "report", *files])
    assert b"slow-callback=soon" in shown.stdout + shown.stderr, shown.text()


@test
def folder_that_cannot_be_written_does_not_hurt():
    path = paths.program("same.py")
    bare = watch.run([*pythons.debian().argv, path])
    outcome = watch.run([*pythons.debian().argv, path], env={
        "LD_PRELOAD": paths.SHIM, "LOOPHOUND_DIR": "/proc/none", "LOOPHOUND_SOCKET": "/proc/none/s",
    })
    watch.assert_same(bare, outcome)


runner.main(__name__)
