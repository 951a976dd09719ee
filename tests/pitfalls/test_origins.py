# SPDX-License-Identifier: Apache-2.0
"""Where what is lost was made or asked for: the origin of a finding, beside its site."""
import setup  # noqa: F401

import forms

from lib import pythons, runner, watch
from lib.runner import test


def origins(form, python):
    """{(kind, line of the site): function of the innermost frame of its origin, or None}"""
    report = watch.watched(form.argv(python), form.options).report
    return {
        (found["kind"], found["culprit"]["line"]):
            found["origin"][0]["function"].rpartition(".")[2] if found["origin"] else None
        for found in report.findings
    }, report


def lines(form):
    return {line: text for line, text in enumerate(open(form.path), 1) if "# BAD:" in text}


@test(each=pythons.every)
def strict_knows_who_made_every_coroutine(python):
    form = forms.Form("never_awaited_strict", "asyncio")
    found, _ = origins(form, python)
    told = {lines(form)[line].split("#")[0].strip(): function
            for (kind, line), function in found.items() if kind == "never-awaited"}
    assert told == {"save(7)": "plain", "del made": "make", "anylib.call(save, 7)": "call",
                    "save(number)": "one_of_many", "made = None": "main"}, told


@test(each=pythons.every)
def otherwise_from_the_second_time_on(python):
    form = forms.Form("never_awaited", "asyncio")
    found, report = origins(form, python)
    told = {lines(form)[line].split("#")[0].strip(): function
            for (_, line), function in found.items()}
    assert told["save(number)"] == "one_of_many" and told["made = None"] == "main", told
    assert len(report.of("never-awaited")) == 5, report.brief()


# Where each of these programs makes the coroutine of a task that comes to nothing.
MAKERS = {
    "exception_never_retrieved": {"plain", "deep", "in_library", "interleaved", "unspeakable",
                                  "derived"},
    "gather_sibling_lost": {"plain", "three_calls_deep_in_a_library", "one_of_many"},
    "result_before_done": {"plain", "plain_exception", "deep", "interleaved", None},
    "task_destroyed_pending": {"plain", "deep", "interleaved"},
    "task_never_finished": {"plain", "deep", "interleaved", "closed"},
}


@test(each=pythons.every)
def strict_knows_who_made_every_task(python):
    for name, makers in MAKERS.items():
        form = forms.Form(name, "asyncio")
        form.needs.append("strict")
        found, report = origins(form, python)
        kind = name.replace("_", "-")
        told = {function for (k, _), function in found.items() if k == kind}
        assert told == makers, f"{name}: {told}\n{report.brief()}"


@test(each=pythons.every)
def otherwise_of_a_task_from_the_second_time_on(python):
    form = forms.Form("exception_never_retrieved", "asyncio")
    found, report = origins(form, python)
    told = {function for function in found.values() if function}
    assert told == {"interleaved"}, f"{told}\n{report.brief()}"


@test(each=pythons.every)
def who_cancelled_is_the_origin(python):
    form = forms.Form("swallowed_cancellation", "asyncio")
    found, report = origins(form, python)
    functions = {function for (kind, _), function in found.items()}
    assert functions <= {"cancelled", "in_gather", "in_a_group", "interleaved", "cancel"}, found
    assert "cancelled" in functions and "interleaved" in functions, report.brief()


runner.main(__name__)
