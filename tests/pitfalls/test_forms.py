# SPDX-License-Identifier: Apache-2.0
"""Each wrong form is named with its line and count and nothing else is; each right form is silent.

On every interpreter that has what it needs, on asyncio and uvloop; and nobody but loophound can tell
the run from an unwatched one.
"""
import setup  # noqa: F401
from concurrent.futures import ThreadPoolExecutor

import forms

from lib import runner
from lib.runner import test


def verdict(form, python):
    try:
        forms.check(form, python)
    except AssertionError as wrong:
        return f"{python}: {wrong}"
    return None


@test(each=forms.every)
def form(one):
    chosen = one.pythons()
    if not chosen:
        runner.skip(f"no interpreter here has {' '.join(one.needs)} {one.loop}")
    with ThreadPoolExecutor(2) as pool:
        wrong = list(filter(None, pool.map(lambda python: verdict(one, python), chosen)))
    runner.note(f"{len(chosen)} interpreters")
    assert not wrong, "\n".join(wrong)


runner.main(__name__, at_once=3)
