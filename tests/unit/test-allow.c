/* SPDX-License-Identifier: Apache-2.0 */
/* The allow list: what it takes, what it refuses and where, what it matches; rules of advice */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "advice.h"
#include "allow.h"
#include "base/defs.h"
#include "gate.h"
#include "rule.h"

#define DAY_2026_11_21 (UINT64_C(1795219200) * NSEC_PER_SEC)

static struct allow allow;

static void allow_text(const char *text)
{
	struct allow_error error = {0};

	allow.n_entries = 0;
	if (allow_add(&allow, "list", text, strlen(text), &error))
		fail_msg("line %u: %s", error.line, error.text);
}

static void assert_refused(const char *text, unsigned int line, const char *part)
{
	struct allow_error error = {0};

	allow_text("[first]\ncall = poll\n");
	assert_int_equal(allow_add(&allow, "list", text, strlen(text), &error), -EINVAL);
	assert_int_equal(error.line, line);
	assert_non_null(strstr(error.text, part));
	assert_int_equal(allow.n_entries, 1);
}

static void test_refused(void **state)
{
	(void)state;
	assert_refused("call = poll\n", 1, "begins with its reason");
	assert_refused("# a word\n\n[why\ncall = poll\n", 3, "]");
	assert_refused("[]\n", 1, "reason");
	assert_refused("[why]\ncolor = red\n", 2, "none of kind");
	assert_refused("[why]\nkind = blocking-cal\n", 2,
		       "no such kind of finding: blocking-cal; is blocking-call meant?");
	assert_refused("[why]\ncall =\n", 2, "behind the =");
	assert_refused("[why]\ncall\n", 2, "KEY = PATTERN");
	assert_refused("[why]\ncall = poll\nuntil = 2026-13-01\n", 3, "day");
	assert_refused("[why]\ncall = poll\nuntil = 1. May\n", 3, "day");
	assert_refused("[why]\nuntil = 2027-01-01\n[two]\ncall = poll\n", 1, "everything");
}

/* A finding as a service has it: poll() of a driver that load() called for handler(). */
static struct finding *make_finding(enum finding_kind kind)
{
	static const struct frame frames[] = {
		{"/v/lib/python3.11/site-packages/yaml/reader.py", "Reader.read", "yaml.reader", 3,
		 FRAME_PYTHON, false},
		{"/srv/app/settings.py", "Settings.load", "app.settings", 31, FRAME_PYTHON, true},
		{"/srv/app/main.py", "handler", "app.main", 9, FRAME_PYTHON, true},
	};
	struct finding *finding = calloc(1, sizeof(*finding));
	struct stack *stack = calloc(1, sizeof(*stack) + sizeof(frames));

	stack->count = 1;
	stack->n_frames = ARRAY_LEN(frames);
	memcpy(stack->frames, frames, sizeof(frames));
	*finding = (struct finding){
		.kind = kind,
		.count = 3,
		.max_ns = 50 * NSEC_PER_MSEC,
		.culprit = frames[1],
		.call = {.name = "open64", .target = "/srv/app/settings.yaml", .fd = -1},
		.n_stacks = 1,
	};
	finding->stacks[0] = stack;
	return finding;
}

static struct report make_report(void)
{
	struct report report = REPORT_INIT;

	report.findings = calloc(2, sizeof(*report.findings));
	report.findings[0] = make_finding(KIND_BLOCKING_CALL);
	report.findings[1] = make_finding(KIND_STUCK);
	report.n_findings = 2;
	return report;
}

static const char *reason_of(const struct report *report, enum finding_kind kind)
{
	for (uint32_t i = 0; i < report->n_findings; i++)
		if (report->findings[i]->kind == kind)
			return report->findings[i]->allowed_by;
	return NULL;
}

static bool is_allowed(const char *text)
{
	struct report report = make_report();
	bool is;

	allow_text(text);
	assert_int_equal(allow_apply(&allow, DAY_2026_11_21, &report), 0);
	is = reason_of(&report, KIND_BLOCKING_CALL);
	assert_int_equal(report.allowances[0].n_findings > 0, is);
	report_deinit(&report);
	return is;
}

static void test_matches(void **state)
{
	static const char *const yes[] = {
		"function = load",
		"function = Settings.load",
		"function = handler",
		"file = settings.py",
		"file = app/settings.py",
		"file = /srv/app/*.py",
		"function = load\nfile = app/settings.py",
		"library = yaml.*",
		"call = open*",
		"target = *.yaml",
		"kind = blocking-call",
		"kind = slow-callback, blocking-call\nuntil = 2026-11-21",
	};
	static const char *const no[] = {
		"function = loa",	"function = handler\nfile = settings.py",
		"file = ettings.py",	"library = yaml",
		"call = open",		"target = *.toml",
		"kind = slow-callback", "call = open*\nuntil = 2026-11-20",
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		snprintf(text, sizeof(text), "[why]\n%s\n", yes[i]);
		if (!is_allowed(text))
			fail_msg("not allowed: %s", yes[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(no); i++) {
		snprintf(text, sizeof(text), "[why]\n%s\n", no[i]);
		if (is_allowed(text))
			fail_msg("allowed: %s", no[i]);
	}
}

/* Every stack has to match: one way that is allowed does not allow the other. */
static void test_every_stack(void **state)
{
	struct report report = make_report();
	struct finding *finding = report.findings[0];
	struct stack *other = calloc(1, sizeof(*other) + sizeof(other->frames[0]));

	(void)state;
	other->count = other->n_frames = 1;
	other->frames[0] = finding->culprit;
	finding->stacks[finding->n_stacks++] = other;
	allow_text("[why]\nfunction = handler\n");
	assert_int_equal(allow_apply(&allow, DAY_2026_11_21, &report), 0);
	assert_null(reason_of(&report, KIND_BLOCKING_CALL));
	assert_string_equal(reason_of(&report, KIND_STUCK), "why");
	report_deinit(&report);
}

static void test_gates_and_order(void **state)
{
	struct report report = make_report();
	struct gate_rule rule;
	struct gate_error error;

	(void)state;
	allow_text("[it is known]\nkind = stuck\n[never]\ncall = flock\n"
		   "[was once]\ncall = open64\nuntil = 2025-02-28\n");
	assert_int_equal(allow_apply(&allow, DAY_2026_11_21, &report), 0);
	assert_int_equal(report.findings[0]->kind, KIND_BLOCKING_CALL);
	assert_string_equal(report.findings[1]->allowed_by, "it is known");
	assert_int_equal(report.n_allowances, 3);
	assert_int_equal(report.allowances[1].n_findings, 0);
	assert_false(report.allowances[1].is_expired);
	assert_int_equal(report.allowances[1].line, 3);
	assert_true(report.allowances[2].is_expired);
	assert_int_equal(gate_parse("any", &rule, &error), 0);
	assert_int_equal(gates_judge(&rule, 1, &report), 0);
	assert_true(report.gates[0].value == 3);
	assert_false(report.gates[0].is_ok);
	report_deinit(&report);
}

static void assert_advice(const char *module, const char *function, enum finding_kind kind,
			  const char *part)
{
	struct finding *finding = make_finding(kind);

	finding->stacks[0]->frames[0].module = module;
	finding->stacks[0]->frames[0].function = function;
	if (!strstr(advice_text(finding), part))
		fail_msg("%s.%s: %s", module, function, advice_text(finding));
	finding_free(finding);
}

static void test_advice(void **state)
{
	(void)state;
	assert_advice("requests.api", "get", KIND_BLOCKING_CALL, "httpx.AsyncClient");
	assert_advice("threading", "Thread.join", KIND_BLOCKING_CALL, "join a thread");
	assert_advice("json.decoder", "JSONDecoder.decode", KIND_SLOW_CALLBACK, "orjson");
	/* What computes is no advice for what waits: the call is. */
	assert_advice("json.decoder", "JSONDecoder.decode", KIND_BLOCKING_CALL, "Open and read");
	assert_advice("nobody.knows", "it", KIND_SLOW_CALLBACK, "Open and read");
}

/* A comprehension has a frame of its own up to CPython 3.11, between the line and the library. */
static void test_advice_in_a_comprehension(void **state)
{
	struct finding *finding = make_finding(KIND_BLOCKING_CALL);
	struct frame *frames = finding->stacks[0]->frames;

	(void)state;
	frames[0].module = "requests.api";
	frames[0].function = "get";
	frames[1] = frames[2];
	frames[1].function = "handler.<locals>.<listcomp>";
	finding->culprit = frames[2];
	assert_non_null(strstr(advice_text(finding), "httpx.AsyncClient"));
	assert_ptr_equal(finding_inside(finding), &frames[0]);
	finding_free(finding);
}

static void test_own_rules(void **state)
{
	static const char text[] = "# ours\npython  ourlib.*  Use ourlib.aio.\n";
	static const char bad[] = "python a.* Do b.\n\npython only\n";
	struct rule_error error = {0};
	unsigned int n = rules_count();

	(void)state;
	assert_true(n >= 200);
	assert_int_equal(rules_add(bad, strlen(bad), &error), -EINVAL);
	assert_int_equal(error.line, 3);
	assert_int_equal(rules_count(), n);
	assert_int_equal(rules_add(text, strlen(text), &error), 0);
	assert_string_equal(rules_at(0)->pattern, "ourlib.*");
	assert_advice("ourlib.client", "Client.get", KIND_BLOCKING_CALL, "ourlib.aio");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_every_stack),
		cmocka_unit_test(test_gates_and_order),
		cmocka_unit_test(test_advice),
		cmocka_unit_test(test_advice_in_a_comprehension),
		cmocka_unit_test(test_own_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
