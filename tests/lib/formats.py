# SPDX-License-Identifier: Apache-2.0
"""Formats: a report file held against its format's rules, and read back by somebody else's reader."""
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

from . import paths, runner

SCHEMAS = os.path.join(paths.TREE, "tests", "schemas")
CONSUMERS = os.path.join(paths.TREE, "tests", "consumers")


def consumer(*parts):
    """A file of the programs of others in tests/consumers, which tools/need installs where npm is; in CI it has to be."""
    path = os.path.join(CONSUMERS, "node_modules", *parts)
    if not os.path.exists(path):
        runner.need_package("npm", shutil.which("npm"))
        runner.skip(f"{parts[0]} is not installed: npm does not reach its registry, or tools/need test has not run")
    return path


def opened_by_speedscope(path):
    """What speedscope shows of a file: its title, its text, and {function: (total, self)}."""
    consumer("speedscope", "dist", "release", "index.html")
    outcome = subprocess.run(["node", os.path.join(CONSUMERS, "speedscope.mjs"), path], capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr[:3000]
    shown = json.loads(outcome.stdout)
    # "450.19ms (56%)" or "450,190 (56%)"
    shown["functions"] = {name: tuple(_amount(cell.split()[0]) for cell in cells) for *cells, name in shown["rows"]}
    return shown


def _amount(text):
    """In ns where there is a unit."""
    number, unit = re.fullmatch(r"([\d.,]+)([^\d]*)", text).groups()
    scale = {"": 1, "ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9}[unit]
    return float(number.replace(",", "")) * scale


def opened_by_multitool(path, *arguments):
    """What the SARIF multitool says of a file."""
    tool = consumer("@microsoft", "sarif-multitool-linux", "Sarif.Multitool")
    outcome = subprocess.run(
        [tool, arguments[0], path, *arguments[1:]], capture_output=True, text=True,
        env={**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"},
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout


def check_json(path, schema):
    """Reads a file that has to be as a schema says: of tests/schemas, or named by its whole path."""
    try:
        import jsonschema
    except ImportError:
        runner.need_package("python3-jsonschema", False)
    with open(path) as file:
        content = json.load(file)
    with open(os.path.join(SCHEMAS, schema)) as file:
        rules = json.load(file)
    cls = jsonschema.validators.validator_for(rules)
    cls.check_schema(rules)
    wrong = [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
        for error in cls(rules, format_checker=jsonschema.FormatChecker()).iter_errors(content)
    ]
    assert not wrong, f"{path} is not as {schema} says:\n" + "\n".join(wrong[:20])
    return content


def sarif(path):
    """The one run. Rules and base ids that are named are there."""
    run = check_json(path, "sarif.json")["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"], result
        for location in result["locations"]:
            place = location.get("physicalLocation", {}).get("artifactLocation", {})
            assert place.get("uriBaseId", "ROOT") in run["originalUriBaseIds"], place
    return run


def junit(path):
    """[(suite, class, name, failure text or None)], as python3-junitparser reads it."""
    try:
        import junitparser
    except ImportError:
        runner.need_package("python3-junitparser", False)
    outcome = subprocess.run(
        ["xmllint", "--noout", "--schema", os.path.join(SCHEMAS, "junit.xsd"), path],
        capture_output=True, text=True,
    )
    assert outcome.returncode == 0, outcome.stderr[:3000]
    cases = []
    for suite in junitparser.JUnitXml.fromfile(path):
        found = list(suite)
        failed = [case for case in found if case.result]
        assert suite.tests == len(found) and suite.failures == len(failed), suite.name
        for case in found:
            text = case.result[0].text or case.result[0].message if case.result else None
            cases.append((suite.name, case.classname, case.name, text))
    assert len(cases) == len(ElementTree.parse(path).getroot().findall(".//testcase"))
    return cases


def folded(path):
    """{(frames, outermost first): µs}; lines that end in a word are left out, as readers do."""
    stacks = {}
    with open(path) as file:
        for line in file:
            match = re.fullmatch(r"(.+) (\d+)\n", line)
            if match:
                key = tuple(match.group(1).split(";"))
                stacks[key] = stacks.get(key, 0) + int(match.group(2))
            else:
                assert line.startswith("# "), line
    return stacks


def speedscope(path):
    """{(frame names, outermost first): ns}."""
    content = check_json(path, "speedscope.json")
    frames = content["shared"]["frames"]
    profile, = content["profiles"]
    assert len(profile["samples"]) == len(profile["weights"])
    assert profile["startValue"] == 0 and profile["endValue"] == sum(profile["weights"])
    stacks = {}
    for sample, weight in zip(profile["samples"], profile["weights"]):
        key = tuple(frames[index]["name"] for index in sample)
        stacks[key] = stacks.get(key, 0) + weight
    return stacks


def trace(path):
    """The content; on each thread what lasts lies within what lasts longer, or beside it."""
    content = check_json(path, "trace.json")
    threads = {}
    for event in content["traceEvents"]:
        if event["ph"] == "X":
            threads.setdefault((event["pid"], event["tid"]), []).append(
                (event["ts"], event["ts"] + event["dur"], event["name"]))
    for events in threads.values():
        open_until = []
        for start, end, name in sorted(events, key=lambda each: (each[0], -each[1])):
            while open_until and open_until[-1] <= start:
                open_until.pop()
            assert not open_until or end <= open_until[-1] + 1, (name, start, end, open_until)
            open_until.append(end)
    return content
