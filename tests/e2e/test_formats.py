# SPDX-License-Identifier: Apache-2.0
"""Every format: as its rules say, readable by others, with what was found and what the gates say."""
import setup  # noqa: F401
import json
import os
import re
import tempfile

from lib import formats, paths, pythons, runner, watch
from lib.report import Report, mark_line, marks
from lib.runner import fixture, test

SAME = paths.program("same.py")
SUFFIXES = ["json", "jsonl", "txt", "md", "sarif", "xml", "folded", "speedscope.json", "trace.json"]
HOSTILE = """
import asyncio, time
async def main():
    await asyncio.sleep(0)
    scope = {"time": time}
    exec(compile("def f():\\n time.sleep(0.05)\\n", FILE, "exec"), scope)
    f = scope["f"]
    f.__code__ = f.__code__.replace(co_name=NAME, co_qualname=NAME)
    f()
asyncio.run(main())
"""


@fixture
def written():
    """One run in all formats, in a repository of its own."""
    folder = os.path.realpath(tempfile.mkdtemp(prefix="formats-"))
    os.mkdir(os.path.join(folder, ".git"))
    os.mkdir(os.path.join(folder, "sub folder"))
    with open(SAME) as source, open(os.path.join(folder, "sub folder", "same.py"), "w") as copy:
        copy.write(source.read())
    outputs = [word for suffix in SUFFIXES for word in ("--report", f"r.{suffix}")]
    outcome = watch.run(
        [paths.LOOPHOUND, "run", "--quiet", *outputs, "--report", "recording.lhr", "--fail-on", "any", "--fail-on", "lost>0",
         "--", *pythons.debian().argv, "same.py"], cwd=os.path.join(folder, "sub folder"),
    )
    assert outcome.status == 3, outcome.text()
    texts = read_all(folder)
    again = watch.run([paths.LOOPHOUND, "report", "--quiet", *outputs, "--fail-on", "any", "--fail-on", "lost>0",
                       "recording.lhr"], cwd=os.path.join(folder, "sub folder"))
    assert again.status == 3, again.text()
    return {**texts, "again": read_all(folder)}


def read_all(folder):
    texts = {}
    for suffix in SUFFIXES:
        with open(os.path.join(folder, "sub folder", f"r.{suffix}")) as file:
            texts[suffix] = file.read()
    return texts


def shape(text):
    """Without figures, of which the last look at the clock makes some a little more exact."""
    return re.sub(r"[\d.]+( (ns|us|ms|s)\b)?", "#", text)


def path_of(texts, suffix):
    path = os.path.join(tempfile.mkdtemp(prefix="formats-"), f"r.{suffix}")
    with open(path, "w") as file:
        file.write(texts[suffix])
    return path


def expected():
    return {(kind, line) for kind, line, _ in marks(SAME)}


@test
def sarif_names_each_finding_from_the_root(texts=written):
    run = formats.sarif(path_of(texts, "sarif"))
    found = set()
    for result in run["results"]:
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"] == {"uri": "sub%20folder/same.py", "uriBaseId": "ROOT"}, place
        found.add((result["ruleId"], place["region"]["startLine"]))
        assert len(result["partialFingerprints"]["loophound/v1"]) == 16
    assert found == expected(), found
    assert run["properties"]["gates"] == [{"expr": "any", "ok": False}, {"expr": "lost>0", "ok": True}]
    levels = [each["level"] for each in run["invocations"][0]["toolExecutionNotifications"]]
    assert levels == ["error", "note"], levels


@test
def sarif_flows_run_from_the_entry_to_the_line(texts=written):
    line = mark_line(SAME, "blocking-call")
    result, = [r for r in formats.sarif(path_of(texts, "sarif"))["results"] if r["ruleId"] == "blocking-call"]
    locations = result["codeFlows"][0]["threadFlows"][0]["locations"]
    names = [each["location"]["logicalLocations"][0]["name"] for each in locations]
    assert names[0] == "<module>" and names[-1] == "blocks", names
    assert locations[-1]["location"]["physicalLocation"]["region"]["startLine"] == line
    assert locations[-1]["importance"] == "essential"


@test
def sarif_rules_have_help(texts=written):
    rules = {r["id"]: r for r in formats.sarif(path_of(texts, "sarif"))["tool"]["driver"]["rules"]}
    assert "wrong" in rules["blocking-call"]["help"]["text"]
    assert rules["never-awaited"]["defaultConfiguration"]["level"] == "error"


@test
def junit_has_a_case_for_each_gate_and_kind(texts=written):
    cases = formats.junit(path_of(texts, "xml"))
    gates = {name: text for suite, _, name, text in cases if suite == "loophound gates"}
    assert gates["lost>0"] is None and "FAILED" in gates["any"], gates
    kinds = {name: text for suite, _, name, text in cases if suite == "loophound kinds"}
    wrong = {kind for kind, _ in expected()}
    assert {name for name, text in kinds.items() if text} == wrong, kinds
    for kind, line in expected():
        assert f"sub folder/same.py:{line}: {kind} " in kinds[kind], kinds[kind]


@test
def folded_and_speedscope_hold_the_blocked_time(texts=written):
    report = Report.load(path_of(texts, "json"))
    blocked_ns = sum(finding["total_ns"] for finding in report.findings)
    lines, samples = formats.folded(path_of(texts, "folded")), formats.speedscope(path_of(texts, "speedscope.json"))
    assert abs(sum(lines.values()) * 1000 - blocked_ns) < 1000 * 20
    assert abs(sum(samples.values()) - blocked_ns) < 20
    call_ns = sum(ns for stack, ns in samples.items() if stack[-1] == "clock_nanosleep")
    assert abs(call_ns - report.one("blocking-call")["total_ns"]) < 20
    assert any(stack[-2].startswith("blocks (") for stack in lines if stack[-1] == "clock_nanosleep")


@test
def the_time_line_has_each_stall_in_its_turn(texts=written):
    content = formats.trace(path_of(texts, "trace.json"))
    report = Report.load(path_of(texts, "json"))
    calls = [e for e in content["traceEvents"] if e.get("cat") == "call"]
    finding = report.one("blocking-call")
    assert len(calls) == finding["count"]
    assert {(e["name"], e["args"]["file"], e["args"]["line"], e["args"]["function"]) for e in calls} == {
        ("clock_nanosleep", "sub folder/same.py", mark_line(SAME, "blocking-call"), "blocks")}
    assert abs(sum(e["dur"] for e in calls) - finding["total_ns"] / 1000) < 1
    callbacks = [e for e in content["traceEvents"] if e.get("cat") == "callback"]
    assert len(callbacks) >= report.one("slow-callback")["count"]
    pitfalls = [e for e in content["traceEvents"] if e["ph"] == "i"]
    assert len(pitfalls) == report.one("never-awaited")["count"]
    threads = {(e["pid"], e["tid"]) for e in content["traceEvents"] if e["name"] == "thread_name"}
    assert threads == {(loop["pid"], loop["tid"]) for loop in report.loops} == {(e["pid"], e["tid"]) for e in calls}
    assert content["otherData"]["not_kept"] == 0 and "FAILED" in content["otherData"]["gates"][0]


@test
def sarif_is_opened_by_the_multitool(texts=written):
    path = path_of(texts, "sarif")
    formats.check_json(path, formats.consumer("@microsoft", "sarif-multitool-linux", "sarif-2.1.0.json"))
    told = [line for line in formats.opened_by_multitool(path, "validate").splitlines()
            if re.search(r": (warning|error|note) ", line)]
    # It asks for the address of a home page, which there is none of.
    assert [re.search(r"SARIF\d+", line)[0] for line in told] == ["SARIF2005"], told
    for kind, _ in expected():
        answer = formats.opened_by_multitool(path, "query", "--expression", f"RuleId == '{kind}'")
        assert f"Found 1 of {len(expected())} results" in answer, answer


@test
def speedscope_opens_its_own_format(texts=written):
    path = path_of(texts, "speedscope.json")
    formats.check_json(path, formats.consumer("speedscope", "dist", "release", "file-format-schema.json"))
    shown = formats.opened_by_speedscope(path)
    assert "--fail-on any: FAILED" in shown["title"] and "blocked time" in shown["text"], shown
    report = Report.load(path_of(texts, "json"))
    for name, kind in (("clock_nanosleep", "blocking-call"), ("burn", "slow-callback")):
        total, alone = shown["functions"][name]
        assert total == alone and abs(total - report.one(kind)["total_ns"]) < 0.01 * total, shown["functions"]
    assert shown["functions"]["blocks"][0] == shown["functions"]["clock_nanosleep"][0]


@test
def speedscope_opens_folded_stacks(texts=written):
    functions = formats.opened_by_speedscope(path_of(texts, "folded"))["functions"]
    report = Report.load(path_of(texts, "json"))
    called_us = functions["clock_nanosleep"][1]
    assert abs(called_us - report.one("blocking-call")["total_ns"] / 1000) < 20, functions
    assert any(name.startswith("blocks (") and times[0] == called_us for name, times in functions.items()), functions


@test
def speedscope_opens_the_time_line(texts=written):
    shown = formats.opened_by_speedscope(path_of(texts, "trace.json"))
    report = Report.load(path_of(texts, "json"))
    process, = report.processes
    assert f"(pid {process['pid']}), asyncio (tid {report.loops[0]['tid']})" in shown["text"], shown["text"]
    calls = [times for name, times in shown["functions"].items() if name.startswith("clock_nanosleep {")]
    assert abs(sum(own for _, own in calls) - report.one("blocking-call")["total_ns"]) < 1e5, shown["functions"]
    turns = [times for name, times in shown["functions"].items() if name.startswith("turn {")]
    assert turns and all(own < total for total, own in turns), shown["functions"]


@test
def a_recording_gives_every_format_again(texts=written):
    again = texts["again"]
    assert set(again) == set(SUFFIXES)
    for suffix in ("folded", "md", "txt"):
        assert shape(again[suffix]) == shape(texts[suffix]), (again[suffix], texts[suffix])
    for suffix, reader in (("sarif", formats.sarif), ("xml", formats.junit), ("speedscope.json", formats.speedscope),
                           ("trace.json", formats.trace)):
        assert len(reader(path_of(again, suffix))) == len(reader(path_of(texts, suffix))), suffix


@test
def markdown_shows_gates_and_findings(texts=written):
    text = texts["md"]
    for kind, line in expected():
        assert f"**{kind}**<br><code>sub folder/same.py:{line}</code>" in text, text
    assert ":x: --fail-on any&#58; FAILED" in text and ":white_check_mark: --fail-on lost" in text, text


@test
def json_lines_end_with_the_gates(texts=written):
    lines = [json.loads(line) for line in texts["jsonl"].splitlines()]
    gates = [line["gate"] for line in lines if "gate" in line]
    assert [(gate["expr"], gate["ok"]) for gate in gates] == [("any", False), ("lost>0", True)]
    assert len(lines) - len(gates) == len(Report.load(path_of(texts, "json")).findings)


@test
def hostile_names_break_no_format():
    folder = tempfile.mkdtemp(prefix="hostile-")
    name, file = "a;b\n<&\"'|`]]>\x1b[31m\x7f\\ 7", "/tmp/x;\n<a>|`*_\"'&\x01é/%41.py"
    path = os.path.join(folder, "app.py")
    with open(path, "w") as app:
        app.write(f"FILE = {file!r}\nNAME = {name!r}\n" + HOSTILE)
    outputs = [word for suffix in SUFFIXES for word in ("--report", f"{folder}/r.{suffix}")]
    outcome = watch.run([paths.LOOPHOUND, "run", "--quiet", *outputs, "--",
                         *pythons.debian().argv, path])
    assert outcome.status == 0, outcome.text()
    assert Report.load(f"{folder}/r.json").one("blocking-call")["culprit"]["function"] == name, name
    assert len(formats.sarif(f"{folder}/r.sarif")["results"]) == 1
    assert [text for *_, text in formats.junit(f"{folder}/r.xml") if text]
    stacks, samples = formats.folded(f"{folder}/r.folded"), formats.speedscope(f"{folder}/r.speedscope.json")
    assert len(stacks) == len(samples) == 1 and len(*stacks) == len(*samples)
    assert formats.trace(f"{folder}/r.trace.json")["otherData"]["kept"] > 0
    with open(f"{folder}/r.md") as md:
        row, = [line for line in md if "blocking-call" in line]
    assert row.count("|") == 6 and "\x1b" not in row and "<a>" not in row, row


@test
def nothing_found_is_valid_in_every_format():
    folder = tempfile.mkdtemp(prefix="empty-")
    outputs = [word for suffix in SUFFIXES for word in ("--report", f"{folder}/r.{suffix}")]
    outcome = watch.run([paths.LOOPHOUND, "run", "--quiet", *outputs, "--", *pythons.debian().argv,
                         "-c", "import asyncio; asyncio.run(asyncio.sleep(0))"])
    assert outcome.status == 0, outcome.text()
    assert formats.sarif(f"{folder}/r.sarif")["results"] == []
    assert not [text for *_, text in formats.junit(f"{folder}/r.xml") if text]
    assert not [e for e in formats.trace(f"{folder}/r.trace.json")["traceEvents"] if e["ph"] in "Xi"]
    assert formats.folded(f"{folder}/r.folded") == formats.speedscope(f"{folder}/r.speedscope.json") == {}
    with open(f"{folder}/r.md") as file:
        assert "No finding that counts" in file.read()


runner.main(__name__)
