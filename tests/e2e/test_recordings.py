# SPDX-License-Identifier: Apache-2.0
"""Recordings: what is written when no daemon answers, and what is read of damaged ones."""
import setup  # noqa: F401
import glob
import json
import os
import random
import tempfile

from lib import formats, lhr, paths, pythons, runner, watch
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


@test(each=["ends", "killed", "many", "left"])
def string_that_was_being_written_is_whole_in_the_end(how):
    """The watchdog writes down what there is; another thread is in the middle of a string."""
    text = "a string that another thread is in the middle of"
    outcome, files = record(
        [*pythons.debian().argv, paths.program("halfway.py"), how, text],
        env={"LOOPHOUND_OPTIONS": "strict"})
    assert outcome.status == (137 if how == "killed" else 0) and len(files) == 1, outcome.text()
    made = lhr.Recording(files[0])
    assert made.string(int(outcome.stdout)) == text
    # Each byte is written twice at most, however many records there were.
    assert made.n_arena_bytes <= 2 * made.n_arena_used, (made.n_arena_bytes, made.n_arena_used)


@test(each=pythons.every)
def durations_are_what_the_program_measured(python):
    path = paths.program("measures.py")
    outcome, files = record([*python.argv, path])
    report = assert_read(read(*files))
    report.assert_counts(path)
    report.assert_as_measured(outcome.stdout)


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
    # Chunks begin at multiples of 8: what ends where one begins may be whole.
    for part in range(1, 17):
        outcome = read(write(content[:len(content) * part // 17 | 1]))
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
def gate_over_a_damaged_recording_does_not_hold(made=recording):
    """What it lacks may be what the gate is for. One that is broken by what is there is broken."""
    content = bytes.fromhex(made["hex"])
    whole = write(content)
    for n_bytes in (len(content) // 4, len(content) // 2, len(content) - 9):
        path = write(content[:n_bytes])
        for gate in "never-awaited", "blocking-call>1s", "any", "turn-max>10m", "lag-p99>10m":
            gated = watch.run([paths.LOOPHOUND, "report", "--quiet", "--fail-on", gate, path])
            assert gated.status == 3, (n_bytes, gate, gated.text())
            assert b"could not be checked" in gated.stderr or gate == "any", gated.text()
    assert watch.run([paths.LOOPHOUND, "report", "--fail-on", "blocking-call>1s", whole]).status == 0
    broken = watch.run([paths.LOOPHOUND, "report", "--quiet", "--fail-on", "blocking-call>1ms",
                        write(content[:-9])])
    assert broken.status == 3 and b"FAILED" in broken.stderr, broken.text()


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
    outcome = read(write(content), write(b"not a recording"), write(lhr.of_another(content, 1)))
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


WORKER = """
import asyncio, os, signal, time

async def main():
    for _ in range(7):
        await asyncio.sleep(0)
        time.sleep(0.05)  # BAD: blocking-call 7

asyncio.run(main())
"""
STUCK = """
import asyncio, os, signal, time

left, right = os.pipe()

async def main():
    await asyncio.sleep(0)
    os.write(right, b"x")
    time.sleep(1000)  # BAD: stuck 1

pid = os.fork()
if not pid:
    asyncio.run(main())
os.read(left, 1)
time.sleep(1.7)  # How long it is stuck before somebody ends it.
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
"""


def recorded_by_run(*argv, options=(), cwd=None):
    """(what the run itself reported, the recording it left)."""
    folder = tempfile.mkdtemp(prefix="recorded-")
    path, recording = os.path.join(folder, "r.json"), os.path.join(folder, "r.lhr")
    outcome = watch.run([paths.LOOPHOUND, "run", "--quiet", *options, "--report", path, "--report", recording, "--",
                         *argv], cwd=cwd)
    return outcome, Report.load(path), recording


def essence(report):
    """All of the findings but times, which the last look at the clock makes a little more exact, and
    the order in which processes met, which a recording has one after the other."""
    return sorted(
        json.dumps([f["fingerprint"], f["severity"], f["count"], f["culprit"], f["call"], sorted(f["pids"]),
                    sorted(json.dumps([stack["count"], stack["frames"]]) for stack in f["stacks"])])
        for f in report.findings)


def assert_alike(live, later):
    assert essence(later) == essence(live), later.brief() + live.brief()
    by_print = {finding["fingerprint"]: finding for finding in live.findings}
    for mine in later.findings:
        theirs = by_print[mine["fingerprint"]]
        assert abs(mine["total_ns"] - theirs["total_ns"]) <= theirs["total_ns"] * 0.001, (mine, theirs)
    figures = [sorted((loop["pid"], loop["framework"], loop["turns"], loop["callbacks"]) for loop in report.loops)
               for report in (live, later)]
    assert figures[0] == figures[1], figures
    assert later.lost() == live.lost(), (later.lost(), live.lost())


@test(each=["same.py", "forks.py", "tasks.py"])
def run_leaves_a_recording_that_says_the_same(name):
    path = paths.program(name)
    # By a relative name, as Python before 3.9 writes it into the code.
    outcome, live, recording = recorded_by_run(*pythons.debian().argv, name, cwd=os.path.dirname(path))
    assert live.findings and outcome.stderr.count(b"loophound:") == 0, outcome.text()
    assert_alike(live, assert_read(read(recording)))
    again = recording + ".again.lhr"
    outcome = watch.run([paths.LOOPHOUND, "report", "--quiet", "--report", again, recording])
    assert outcome.status == 0, outcome.text()
    with open(recording, "rb") as first, open(again, "rb") as second:
        assert first.read() == second.read()


@test
def recordings_behind_one_another_are_one():
    _, live, recording = recorded_by_run(*pythons.debian().argv, BLOCKS, "7")
    with open(recording, "rb") as file:
        content = file.read()
    others = [lhr.of_another(content, i) for i in (1, 2)]
    report = assert_read(read(write(content + others[0] + others[1])))
    assert report.counts() == {("blocking-call", mark_line(BLOCKS, "blocking-call")): 3 * 7}, report.brief()
    assert len(report.processes) == 3 and not report.lost(), report.brief()
    # One that is cut short hides none of those before it.
    report = assert_read(read(write(content + others[0] + others[1][:len(content) // 2])))
    assert report.one("blocking-call")["count"] >= 2 * 7 and report.lost(), report.brief()


@test
def a_process_that_was_killed_is_stuck_in_the_recording_as_well():
    path = os.path.join(tempfile.mkdtemp(prefix="stuck-"), "app.py")
    with open(path, "w") as file:
        file.write(STUCK)
    outcome, live, recording = recorded_by_run(*pythons.debian().argv, path)
    later = assert_read(read(recording))
    live.assert_counts(path)
    later.assert_counts(path)
    assert abs(later.one("stuck")["max_ns"] - live.one("stuck")["max_ns"]) < 50e6, (later.brief(), live.brief())


NATIVE = """
import asyncio, os, re, signal, sys, time
async def main():
    for _ in range(3):
        time.sleep(0.05)
        await asyncio.sleep(0)
    re.match(r"(a+)+b", "a" * 23)
    await asyncio.sleep(0)
pid = os.fork()
asyncio.run(main())
if not pid:
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(pid, 0)
sys.exit(5)
"""


@test
def native_frames_and_how_processes_ended_are_in_the_recording():
    path = os.path.join(tempfile.mkdtemp(prefix="native-"), "app.py")
    with open(path, "w") as file:
        file.write(NATIVE)
    outcome, live, recording = recorded_by_run(*pythons.debian().argv, path, options=["--native"])
    assert outcome.status == 5, outcome.text()
    # What computes is seen with its native frames only where it was stopped in time: mostly.
    kinds = {frame["kind"] for stack in live.one("blocking-call")["stacks"] for frame in stack["frames"]}
    assert kinds == {"python", "native"}, live.one("blocking-call")["stacks"]
    assert live.one("slow-callback"), live.brief()
    later = assert_read(read(recording))
    # What the kernel told meanwhile of waiting for a CPU is in no recording, and a part of the sums.
    assert essence(later) == essence(live), later.brief() + live.brief()
    assert later.lost() == live.lost(), (later.lost(), live.lost())
    exits = [{process["pid"]: (process["exit"]["status"], process["exit"]["signal"]) for process in report.processes}
             for report in (live, later)]
    # Linux tells of a child that others wait for from 6.15 on.
    assert exits[0] == exits[1] and (5, None) in exits[0].values() and len(exits[0]) == 2, exits
    assert set(exits[0].values()) <= {(5, None), (None, 9), (None, None)}, exits


@test
def what_still_runs_is_in_the_recording():
    path = os.path.join(tempfile.mkdtemp(prefix="runs-"), "app.py")
    with open(path, "w") as file:
        file.write("import os\nleft, right = os.pipe()\npid = os.fork()\nif pid:\n    os.read(left, 1)\n"
                   "    os.write(1, str(pid).encode())\n    os._exit(0)\n" + WORKER + "os.write(right, b'x')\nos.close(1)\n"
                   "os.close(2)\nsignal.pause()\n")
    outcome, live, recording = recorded_by_run(*pythons.debian().argv, path)
    os.kill(int(outcome.stdout), 9)
    live.assert_counts(path)
    assert_alike(live, assert_read(read(recording)))


@test
def a_recording_that_cannot_be_made_is_refused():
    outcome, _, recording = recorded_by_run(*pythons.debian().argv, BLOCKS, "7")
    summed = os.path.join(os.path.dirname(recording), "r.json")
    for command in (["report", summed], ["report", recording, summed], ["report"], ["diff", summed, summed]):
        outcome = watch.run([paths.LOOPHOUND, *command, "--report", "never.lhr"])
        assert outcome.status == 2 and b"recording" in outcome.stderr, outcome.text()
    assert not os.path.exists("never.lhr")
    full = os.path.join(os.path.dirname(recording), "full.lhr")
    os.symlink("/dev/full", full)
    outcome = watch.run([paths.LOOPHOUND, "run", "--quiet", "--report", full, "--", *pythons.debian().argv, BLOCKS, "7"])
    assert outcome.status == 4 and b"full.lhr: No space left" in outcome.stderr, outcome.text()


IN_A_CONTAINER = ["unshare", "--pid", "--fork", "--mount-proc"]


def in_containers(where):
    """Two runs whose process has the same pid; of the second one is killed by signal 9."""
    pairs = []
    for name, end in (("a", ""), ("b", "\nimport os\nos.kill(os.getpid(), 9)")):
        program = f"import asyncio\nasync def main():\n    for i in range({101 if end else 3}):\n        await asyncio.sleep(0)\n    __import__('time').sleep(0.05)\nasyncio.run(main()){end}"
        pair = [os.path.join(where, name + suffix) for suffix in (".json", ".lhr")]
        outcome = watch.run([*IN_A_CONTAINER, paths.LOOPHOUND, "run", "--quiet", "--report", pair[0], "--report", pair[1], "--",
                             *pythons.debian().argv, "-c", program])
        assert outcome.status == (137 if end else 0), outcome.text()
        pairs.append(pair)
    return pairs


def blocks_of(text):
    """The lines of each process in a text report."""
    return [block.split("\n\n")[0] for block in text.split("\n  pid ")[1:]]


@test
def processes_of_one_pid_keep_their_own_loops():
    if os.geteuid():
        runner.skip("only root can make a pid namespace")
    where = tempfile.mkdtemp(prefix="containers-")
    pairs = in_containers(where)
    for first in pairs[0]:
        for second in pairs[1]:
            outcome = watch.run([paths.LOOPHOUND, "report", first, second])
            assert outcome.status == 0 and not outcome.stderr, outcome.text()
            blocks = blocks_of(outcome.stdout.decode())
            assert len(blocks) == 2 and len({block.split(",")[0] for block in blocks}) == 1, outcome.text()
            assert [block.count(" turns, ") for block in blocks] == [1, 1], outcome.text()
            assert ["killed by signal 9" in block for block in blocks] in ([False, True], [True, False]), outcome.text()
            report = Report(json.loads(read(first, second).stdout))
            for process in report.raw["processes"]:
                loop, = (loop for loop in report.loops if loop["process_started"] == process["started"])
                assert (loop["turns"] > 50) == (process["exit"]["signal"] == 9), (loop, process)
            merged = os.path.join(where, "merged.json")
            with open(merged, "w") as file:
                json.dump(report.raw, file)
            again = [block.count(" turns, ") for block in blocks_of(watch.run([paths.LOOPHOUND, "report", merged]).stdout.decode())]
            assert again == [1, 1], again


@test
def processes_of_one_pid_have_tracks_of_their_own():
    if os.geteuid():
        runner.skip("only root can make a pid namespace")
    where = tempfile.mkdtemp(prefix="containers-")
    path = os.path.join(where, "r.trace.json")
    outcome = watch.run([paths.LOOPHOUND, "report", "--quiet", "--report", path, *(pair[1] for pair in in_containers(where))])
    assert outcome.status == 0, outcome.text()
    events = formats.trace(path)["traceEvents"]
    tracks = [sorted(event["pid"] for event in events if wanted in (event["name"], event.get("cat")))
              for wanted in ("process_name", "thread_name", "utilisation", "call")]
    assert len(set(tracks[0])) == 2 and all(track == tracks[0] for track in tracks), tracks


@test
def a_process_in_two_files_is_counted_once():
    outcome, live, recording = recorded_by_run(*pythons.debian().argv, BLOCKS, "7")
    where = os.path.dirname(recording)
    summed, both = (os.path.join(where, name) for name in ("summed.json", "both.json"))
    for path, files in ((summed, [recording]), (both, [recording, *record([*pythons.debian().argv, BLOCKS, "7"])[1]])):
        assert watch.run([paths.LOOPHOUND, "report", "--quiet", "--report", path, *files]).status == 0
    once = Report(json.loads(read(recording).stdout))
    for files in ([recording, recording], [recording, summed], [summed, recording], [summed, summed], [recording, summed, recording]):
        outcome = read(*files)
        lines = outcome.stderr.decode().splitlines()
        assert len(lines) == len(files) - 1 and all("counted once" in line for line in lines), outcome.text()
        report = assert_read(outcome)
        assert len(report.raw["processes"]) == 1 and len(report.loops) == 1, outcome.text()
        assert [finding["count"] for finding in report.findings] == [finding["count"] for finding in once.findings]
        assert not any(report.raw["lost"].values()), report.raw["lost"]
    outcome = read(recording, both)
    lines = outcome.stderr.decode().splitlines()
    assert len(lines) == 1 and "counted twice" in lines[0], outcome.text()
    assert len(assert_read(outcome).raw["processes"]) == 3


runner.main(__name__)
