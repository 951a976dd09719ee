# SPDX-License-Identifier: Apache-2.0
"""Forms: the programs of the pitfalls, what each needs, and the runs of one.

A file in programs/ holds several wrong forms of one kind (its name begins with the kind, with `_`
for `-`, and does not end with `_right`) or several right ones. Each marks its wrong lines,
`# BAD: KIND COUNT`. A line `# NEEDS: 3.11 strict` says the oldest Python and the mode, with
`asyncio` that the form makes no sense on another loop, and with OPTION=VALUE an option.
"""
import os
import re

from lib import pythons, watch
from lib.report import marks

FOLDER = os.path.join(os.path.dirname(os.path.realpath(__file__)), "programs")
NEEDS = re.compile(r"^# NEEDS:(.*)$", re.M)
# Nothing here is slow on purpose, and a machine that is busy makes anything slow.
PATIENT = [f"--{limit}=20s" for limit in ("blocking-call", "slow-callback", "long-turn", "stuck")]
ADDRESS = re.compile(rb"0x[0-9a-f]+")


class Form:
    """One program on one kind of loop."""

    def __init__(self, name, loop):
        self.name = name
        self.loop = loop
        self.path = os.path.join(FOLDER, name + ".py")
        self.is_right = name.endswith("_right")
        with open(self.path) as file:
            found = NEEDS.search(file.read())
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

    def pythons(self):
        return [
            python for python in pythons.every()
            if python.minor >= self.oldest and (self.loop == "asyncio" or python.has(self.loop))
        ]

    def argv(self, python):
        return [*python.argv, self.path, self.loop]


def every():
    names = sorted(
        name[:-3] for name in os.listdir(FOLDER) if name.endswith(".py") and name[0] != "_"
    )
    forms = [Form(name, loop) for name in names for loop in ("asyncio", "uvloop")]
    forms = [form for form in forms if form.loop != "uvloop" or "asyncio" not in form.needs]
    # Asked here, by the runner, and not again in the process of each test.
    for form in forms:
        form.pythons()
    return forms


def without_addresses(content):
    return ADDRESS.sub(b"0x", content)


def check(form, python):
    """Its findings are exactly its marks, and its output is its own."""
    outcome = watch.both(form.argv(python), form.options, normal=without_addresses)
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
