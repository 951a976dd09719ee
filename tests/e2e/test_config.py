# SPDX-License-Identifier: Apache-2.0
"""loophound.toml: found upwards, read like the command line, which wins; and names that were meant."""
import setup  # noqa: F401
import os
import tempfile

from lib import paths, pythons, runner, watch
from lib.report import Report
from lib.runner import test

PROGRAM = "import asyncio, time\nasync def main():\n    time.sleep(0.05)\nasyncio.run(main())\n"


def folder(config, below=""):
    top = os.path.realpath(tempfile.mkdtemp(prefix="config-"))
    os.makedirs(os.path.join(top, below), exist_ok=True)
    with open(os.path.join(top, "loophound.toml"), "w") as file:
        file.write(config)
    with open(os.path.join(top, below, "app.py"), "w") as file:
        file.write(PROGRAM)
    return top


def run(cwd, *options):
    return watch.run([paths.LOOPHOUND, "run", *options, "--", *pythons.debian().argv, "app.py"], cwd=cwd)


@test
def options_stand_in_the_nearest_file_upwards():
    top = folder("""# of the whole tree
fail-on = ["any", 'lag-p99 > 10s']   # two gates
report = [
    "out.json",  # beside this file
    "out.md",
]
quiet = true
json = false
blocking-call = "30ms"
detect = ["blocking-call", "slow-callback"]
""", "a/b")
    outcome = run(os.path.join(top, "a", "b"))
    assert outcome.status == 3 and outcome.stderr.count(b"\n") == 1, outcome.text()
    report = Report.load(os.path.join(top, "out.json"))
    assert report.raw["options"]["blocking_call_ns"] == 30_000_000
    assert report.raw["options"]["detect"] == ["blocking-call", "slow-callback"]
    assert [gate["expr"] for gate in report.raw["gates"]] == ["any", "lag-p99 > 10s"]
    assert os.path.getsize(os.path.join(top, "out.md"))


@test
def the_command_line_wins():
    top = folder('fail-on = "any"\nblocking-call = "10ms"\nreport = "a.json"\nquiet = true\n')
    outcome = run(top, "--fail-on", "never-awaited", "--blocking-call", "5s", "--report", "b.json")
    assert outcome.status == 0, outcome.text()
    assert not os.path.exists(os.path.join(top, "a.json"))
    report = Report.load(os.path.join(top, "b.json"))
    assert [gate["expr"] for gate in report.raw["gates"]] == ["never-awaited"]
    assert not report.findings


@test
def the_nearest_file_is_read_alone():
    top = folder('fail-on = "any"\n', "below")
    with open(os.path.join(top, "below", "loophound.toml"), "w") as file:
        file.write("quiet = true\n")
    assert run(os.path.join(top, "below")).status == 0


@test
def wrong_lines_are_told_before_anything_runs():
    cases = {
        'fail_on = "any"': "1: there is no option fail_on; is fail-on meant?",
        'slow-calback = "1s"': "is slow-callback meant?",
        'xyz = 1': "there is no option xyz; loophound run --help",
        '\n\n[tool]\n': "3: there are no tables here",
        'quiet = "yes"': "quiet is true or false",
        'stuck = true': "stuck takes a value (1s), not true",
        'stuck = 1s': 'text belongs in quotes: "1s"',
        'stuck = "1s" x': "nothing more belongs behind",
        'stuck = "1s\n"': "has no end",
        'stuck = """1s"""': "over several lines",
        'stuck = ["1s"]': "stuck takes one value",
        'stuck = "1s"\nstuck = "2s"': "2: stuck stands here twice",
        'fail-on = ["any" "any"]': "a , or a ]",
        'fail-on = [any]': "strings in quotes",
        'fail-on': "a = belongs behind fail-on",
        'stuck = "\\q"': "means nothing",
        'stuck = "1 s"': "not a duration",
        '= 3': "KEY = VALUE",
        'quiet = \0': "loophound.toml",
    }
    for config, words in cases.items():
        top = folder(config)
        with open(os.path.join(top, "app.py"), "w") as file:
            file.write("open('ran', 'w')")
        outcome = run(top)
        lines = outcome.stderr.decode().splitlines()
        assert outcome.status == 2 and len(lines) == 1 and words in lines[0], (config, outcome.text())
        assert not os.path.exists(os.path.join(top, "ran")), config


@test
def wrong_values_are_told_with_their_line():
    cases = {
        'quiet = true\nblocking-call = 5\n': (2, "not a duration"),
        '\nfail-on = [\n  "any",\n  "lag-p99 >",\n]\n': (4, "lag-p99 >"),
        'detect = "blocking_call"\n': (1, "is blocking-call meant?"),
        'task-flood = "0"\n': (1, "a number of tasks"),
        '# a report\nreport = "out.doc"\nquiet = true\n': (2, "the suffix says the format"),
        'allow = "none.allow"\n': (1, "No such file"),
    }
    for config, (line, words) in cases.items():
        top = folder(config)
        outcome = run(top)
        first, *rest = outcome.stderr.decode().splitlines()
        place = f"loophound: {top}/loophound.toml:{line}: --"
        assert outcome.status == 2 and first.startswith(place) and words in first, (config, outcome.text())
        assert not rest or rest[0].index("^") == len(first), (config, outcome.text())
        # What stands on the command line stands in no file.
        outcome = run(folder("quiet = true\n"), "--blocking-call", "5")
        assert outcome.status == 2 and outcome.stderr.startswith(b"loophound: --blocking-call 5: "), outcome.text()


@test
def somebody_elses_file_is_not_read():
    if os.geteuid():
        runner.skip("only root can give a file away")
    top = folder("quiet = true\n", "mine")
    os.chown(os.path.join(top, "loophound.toml"), 12345, 12345)
    outcome = run(os.path.join(top, "mine"))
    assert outcome.status == 2 and b"somebody else's" in outcome.stderr, outcome.text()
    os.chown(os.path.join(top, "mine"), 12345, 12345)
    assert run(os.path.join(top, "mine")).status == 0


@test
def the_name_that_was_meant_is_told():
    for options in (["--fail-on", "bloking-call"], ["--detect", "blocking_call"], ["--no-detect", "blocking-calls"]):
        outcome = watch.run([paths.LOOPHOUND, "run", *options, "--", "true"])
        assert outcome.status == 2 and b"; is blocking-call meant?" in outcome.stderr, outcome.text()
    outcome = watch.run([paths.LOOPHOUND, "explain", "never-awaitd"])
    assert outcome.status == 2 and b"is never-awaited meant?" in outcome.stderr, outcome.text()
    outcome = watch.run([paths.LOOPHOUND, "run", "--fail-on", "nothing-like-it", "--", "true"])
    assert outcome.status == 2 and b"meant?" not in outcome.stderr, outcome.text()


runner.main(__name__)
