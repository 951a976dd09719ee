#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""table: the forms by kind, interpreter and loop, as docs/PITFALLS.md shows them

    LOOPHOUND_TEST_LONG=1 tools/test pitfalls/test_forms pitfalls/test_slow_forms
    tests/pitfalls/table.py             the table of that run
    tests/pitfalls/table.py --write     puts it into docs/PITFALLS.md

A cell is how many wrong lines were told, each with its kind and count, and how many right forms gave
nothing. What failed or was not run is said instead.
"""
import setup  # noqa: F401
import json
import os
import re
import sys

import forms

from lib import paths, pythons
from lib.report import marks

DOCS = os.path.join(paths.TREE, "docs", "PITFALLS.md")
BEGIN, END = "<!-- tests/pitfalls/table.py -->\n", "<!-- end -->\n"
# It has no line of its own: what has not ended. tests/e2e shows it.
WITHOUT = {"stuck"}
REST = "programs in which all is right"


def kinds():
    with open(paths.SCHEMA) as file:
        every = json.load(file)
    found = every["definitions"]["kind"]["enum"]
    return [kind for kind in found if kind not in WITHOUT]


def kind_of(name):
    """The kind that a file of forms is named for, or None."""
    fitting = [kind for kind in kinds() if name.startswith(kind.replace("-", "_"))]
    return max(fitting, key=len, default=None)


def forms_of(kind, loop="asyncio"):
    """(wrong, right) forms of a kind; of None the right ones of no kind."""
    chosen = [form for form in forms.every() if form.loop == loop]
    right = [form for form in chosen if form.is_right and kind_of(form.name) == kind]
    wrong = [form for form in chosen if any(mark[0] == kind for mark in marks(form.path))]
    return wrong, right


def result(form, python, is_planned):
    """Whether it was told as it should be; None: not run. Planned: as if it had been."""
    if python.minor < form.oldest or (form.loop == "uvloop" and not python.has("uvloop")):
        return None
    return True if is_planned else forms.kept(form).get(str(python), "not run")


def cell(kind, python, loop, is_planned):
    wrong, right = forms_of(kind, loop)
    n_told = n_silent = 0
    for form in wrong + right:
        passed = result(form, python, is_planned)
        if passed is False or passed == "not run":
            return f"**{form.name}: {'failed' if passed is False else passed}**"
        if passed and form.is_right:
            n_silent += len(form.parts())
        elif passed:
            n_told += sum(mark[0] == kind for mark in marks(form.path))
    return f"{n_told}, {n_silent}" if n_told else f"{n_silent}" if n_silent and not kind else "–"


def merged(cells):
    """Those of several interpreters in one column: the newest stands for all that are as it should be."""
    failed = [cell for cell in cells if cell.startswith("**")]
    return failed[0] if failed else cells[-1]


def columns():
    """[(heading, interpreters, loop)]; where there are two of a version, both are meant."""
    every, found = pythons.every(), []
    for minor in sorted({python.minor for python in every}):
        found.append((".".join(map(str, minor)),
                      [python for python in every if python.minor == minor], "asyncio"))
    found.append(("in Python", every, "pure"))
    for python in every:
        if python.has("uvloop"):
            found.append((f"uvloop, {'.'.join(map(str, python.minor))}", [python], "uvloop"))
    return found


def lines(is_planned):
    """{row: {heading: cell}}"""
    shown = columns()
    return {
        kind or REST: {
            heading: merged([cell(kind, python, loop, is_planned) for python in chosen])
            for heading, chosen, loop in shown
        } for kind in [*kinds(), None]
    }


def text():
    shown = lines(is_planned=False)
    headings = [heading for heading, _, _ in columns()]
    rows = [["", *headings], ["---"] * (len(headings) + 1)]
    rows += [[f"`{name}`" if name != REST else name, *cells.values()]
             for name, cells in shown.items()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def parts_of_docs():
    with open(DOCS, encoding="utf-8") as file:
        return re.split(f"(?<={re.escape(BEGIN)})|(?={re.escape(END)})", file.read())


def in_docs():
    """Whether the docs say what they should of each interpreter that is here and there."""
    rows = [[part.strip() for part in row.split("|")[1:-1]]
            for row in parts_of_docs()[1].splitlines() if row.startswith("|")]
    said = {row[0].strip("`"): dict(zip(rows[0][1:], row[1:])) for row in rows[2:]}
    return all(said.get(name, {}).get(heading) == cell
               for name, cells in lines(is_planned=True).items()
               for heading, cell in cells.items() if heading in rows[0])


def main():
    if sys.argv[1:] == ["--write"]:
        before, _, after = parts_of_docs()
        with open(DOCS, "w", encoding="utf-8") as file:
            file.write(before + text() + after)
    else:
        print(text(), end="")


if __name__ == "__main__":
    main()
