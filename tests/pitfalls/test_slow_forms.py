# SPDX-License-Identifier: Apache-2.0
"""As test_forms, for those forms that compute: one after the other, since the lines of what computes
are known by samples, and a watchdog that gets no CPU takes none."""
import setup  # noqa: F401

import forms

from lib import runner
from lib.runner import test


def slow():
    return [one for one in forms.every() if "few" in one.needs]


@test(each=slow, timeout=300)
def form(one):
    chosen = one.pythons()
    if not chosen:
        runner.skip(f"no interpreter here has {' '.join(one.needs)} {one.loop}")
    results = {}
    for python in chosen:
        results[python] = False
        forms.keep(one, results)
        forms.check(one, python)
        results[python] = True
    forms.keep(one, results)
    runner.note(f"{len(chosen)} interpreters")


runner.main(__name__, at_once=1)
