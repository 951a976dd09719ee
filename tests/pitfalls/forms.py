# SPDX-License-Identifier: Apache-2.0
"""Forms: the programs of the pitfalls, what each needs, and the runs of one.

A file in programs/ holds several wrong forms of one kind (its name begins with the kind, with `_`
for `-`, and does not end with `_right`) or several right ones; one that is named for what it is done
with (eager tasks) has several kinds. Each marks its wrong lines, `# BAD: KIND COUNT`. A line
`# NEEDS: 3.11 strict` says the oldest Python and the mode, with `asyncio` that the form makes no
sense on another loop, with `few` that it takes seconds, so that a run which is not long has it on
Debian's Python alone, and with OPTION=VALUE an option.
"""
import ast
import json
import os
import re

from lib import paths, pythons, watch
from lib.report import marks

FOLDER = os.path.join(os.path.dirname(os.path.realpath(__file__)), "programs")
NEEDS = re.compile(r"^# NEEDS:(.*)$", re.M)
# On the path it takes asyncio's C module away: then tasks and futures are those in Python.
PURE = os.path.join(FOLDER, "pure")
# Nothing here is slow on purpose, and a machine that is busy makes anything slow.
PATIENT = [f"--{limit}=20s" for limit in ("blocking-call", "slow-callback", "long-turn", "stuck")]
LONG = os.environ.get("LOOPHOUND_TEST_LONG") == "1"
ADDRESS = re.compile(rb"0x[0-9a-f]+")
# What each form has given, for table.py.
RESULTS = os.path.join(paths.BUILD, "pitfalls")


class Form:
    """One program on one kind of loop."""

    def __init__(self, name, loop):
        self.name = name
        self.loop = loop
        self.path = os.path.join(FOLDER, name + ".py")
        self.is_right = name.endswith("_right")
        with open(self.path) as file:
            self.text = file.read()
        found = NEEDS.search(self.text)
        self.needs = found.group(1).split() if found else []

    def __str__(self):
        return f"{self.name}-{self.loop}"

    @property
    def options(self):
        return PATIENT + [f"--{word}" for word in self.needs if word == "strict" or "=" in word]

    @property
    def oldest(self):
        versions = [word for word in self.needs if word[0].isdigit()]
        return tuple(int(part) for part in versions[0].split(".")) if versions else (3, 8)

    def parts(self):
        """The functions that the program itself, or its main(), starts: a form each."""
        body = ast.parse(self.text).body
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        functions = {node.name for node in body if isinstance(node, kinds)}
        driver = [node for node in body if not isinstance(node, (*kinds, ast.ClassDef)) or
                  getattr(node, "name", "") == "main"]
        named = {node.id for each in driver for node in ast.walk(each)
                 if isinstance(node, ast.Name)}
        return sorted(functions & named - {"main"})

    @property
    def env(self):
        return {"PYTHONPATH": PURE} if self.loop == "pure" else {}

    def pythons(self):
        every = pythons.every()
        if "few" in self.needs and not LONG:
            every = [python for python in every if python.argv == [pythons.DEBIAN]]
        return [
            python for python in every
            if python.minor >= self.oldest and (self.loop != "uvloop" or python.has("uvloop"))
        ]

    def argv(self, python):
        return [*python.argv, self.path, "uvloop" if self.loop == "uvloop" else "asyncio"]


def every():
    names = sorted(
        name[:-3] for name in os.listdir(FOLDER) if name.endswith(".py") and name[0] != "_"
    )
    forms = [Form(name, loop) for name in names for loop in ("asyncio", "uvloop", "pure")]
    forms = [form for form in forms if form.loop != "uvloop" or "asyncio" not in form.needs]
    # Asked here, by the runner, and not again in the process of each test.
    for form in forms:
        form.pythons()
    return forms


def keep(form, results):
    """{Python: whether it was as it should be} of a form."""
    os.makedirs(RESULTS, exist_ok=True)
    with open(os.path.join(RESULTS, f"{form}.json"), "w") as file:
        json.dump({str(python): is_good for python, is_good in results.items()}, file)


def kept(form):
    try:
        with open(os.path.join(RESULTS, f"{form}.json")) as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def without_addresses(content):
    return ADDRESS.sub(b"0x", content)


def check(form, python):
    """Its findings are exactly its marks, and its output is its own."""
    outcome = watch.both(form.argv(python), form.options, normal=without_addresses, env=form.env)
    assert outcome.stdout == b"done\n", outcome.text()
    # A sample of a loop that went on meanwhile: on a busy machine, and nothing here needs one.
    lost = {reason: n for reason, n in outcome.report.lost().items() if reason != "stack-torn"}
    assert not lost, outcome.report.brief()
    if form.is_right:
        assert not marks(form.path), "a right form with a mark"
        assert not outcome.report.findings and outcome.report.loops, outcome.report.brief()
    else:
        assert marks(form.path), "a wrong form without a mark"
        outcome.report.assert_counts(form.path)
