# SPDX-License-Identifier: Apache-2.0
"""Each wrong form is named with its line and count and nothing else is; each right form is silent.

On every interpreter that has what it needs, on asyncio and uvloop; and nobody but loophound can tell
the run from an unwatched one.
"""
import setup  # noqa: F401
import re
from concurrent.futures import ThreadPoolExecutor

import forms
import table

from lib import runner
from lib.report import marks
from lib.runner import test


def verdict(form, python):
    try:
        forms.check(form, python)
    except AssertionError as wrong:
        return f"{python}: {wrong}"
    return None


def quick():
    """Those that compute for seconds have test_slow_forms: beside others they lose samples."""
    return [one for one in forms.every() if "few" not in one.needs]


@test(each=quick)
def form(one):
    chosen = one.pythons()
    if not chosen:
        runner.skip(f"no interpreter here has {' '.join(one.needs)} {one.loop}")
    with ThreadPoolExecutor(2) as pool:
        verdicts = list(pool.map(lambda python: verdict(one, python), chosen))
    forms.keep(one, {python: not told for python, told in zip(chosen, verdicts)})
    runner.note(f"{len(chosen)} interpreters")
    wrong = list(filter(None, verdicts))
    assert not wrong, "\n".join(wrong)


@test(each=table.kinds)
def kind_has_its_forms(kind):
    """Three wrong ones and three right ones, one that is interleaved, one that lies deep."""
    wrong, right = table.forms_of(kind)
    lines = [mark for one in wrong for mark in marks(one.path) if mark[0] == kind]
    assert len(lines) >= 3 and any(count == 23 for _, _, count in lines), lines
    assert any(re.search(r"deep|librar|third|innermost", one.text) for one in wrong), wrong
    assert sum(len(one.parts()) for one in right) >= 3, [one.parts() for one in right]


@test
def table_in_the_docs_is_of_these_forms():
    assert table.in_docs(), "docs/PITFALLS.md: run tests/pitfalls/table.py --write"


runner.main(__name__, at_once=3)
