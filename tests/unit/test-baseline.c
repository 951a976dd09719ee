/* SPDX-License-Identifier: Apache-2.0 */
/* The baseline: what is read, what is refused, what is new, worse, known, gone, and what it becomes
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/defs.h"
#include "baseline.h"
#include "gate.h"
#include "wire/region.h"

#define MS   UINT64_C(1000000)
#define HEAD "# loophound baseline 1\n"

static int parse(struct baseline *baseline, const char *text, struct baseline_error *ret_error)
{
	*baseline = (struct baseline)BASELINE_INIT;
	return baseline_parse(baseline, text, strlen(text), ret_error);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		unsigned int line;
		const char *word;
	} cases[] = {
		{"", 0, "not a baseline"},
		{"garbage\n", 0, "not a baseline"},
		{"\x7f"
		 "ELF\n",
		 0, "not a baseline"},
		{"# loophound baseline 2\n", 0, "newer"},
		{"# loophound baseline x\n", 0, "without a version"},
		{HEAD "<<<<<<< HEAD\n", 2, "conflict"},
		{HEAD "\n=======\n", 3, "conflict"},
		{HEAD "\tx < y\n", 2, "below an entry"},
		{HEAD "0123456789abcde 1 1ms 1 stuck a:b\n", 2, "fingerprint"},
		{HEAD "0123456789abcdeg 1 1ms 1 stuck a:b\n", 2, "fingerprint"},
		{HEAD "0123456789abcdef 0 1ms 1 stuck a:b\n", 2, "times"},
		{HEAD "0123456789abcdef -1 1ms 1 stuck a:b\n", 2, "times"},
		{HEAD "0123456789abcdef 99999999999999999999 1ms 1 stuck a:b\n", 2, "times"},
		{HEAD "0123456789abcdef 1 1 1 stuck a:b\n", 2, "longest"},
		{HEAD "0123456789abcdef 1 1ms\n", 2, "lines"},
		{HEAD "0123456789abcdef 1 1ms 1 stucked a:b\n", 2, "kind"},
		{HEAD "0123456789abcdef 1 1ms 1 stuck a:b\n0123456789abcdef 1 1ms 1 stuck a:b\n", 0,
		 "twice"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct baseline_error error = {0};
		struct baseline baseline;

		print_message("%s\n", cases[i].text);
		assert_int_not_equal(parse(&baseline, cases[i].text, &error), 0);
		assert_int_equal(error.line, cases[i].line);
		assert_non_null(strstr(error.text, cases[i].word));
		assert_int_equal(baseline.n_entries, 0);
	}
}

static char *written(const struct baseline *baseline)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	baseline_write(baseline, out);
	fclose(out);
	return text;
}

static struct stack *stack_of(const char *const functions[], uint32_t n, const char *file)
{
	struct stack *stack = calloc(1, sizeof(*stack) + n * sizeof(stack->frames[0]));

	stack->count = 1;
	stack->n_frames = n;
	for (uint32_t i = 0; i < n; i++)
		stack->frames[i] = (struct frame){.file = i + 1 == n ? file : "/srv/app.py",
						  .function = functions[i],
						  .module = "app",
						  .is_own = true};
	return stack;
}

struct spec {
	const char *fingerprint;
	uint64_t count, max_ms;
	const char *caller, *caller_file;
};

static void make_report(struct report *report, const struct spec *specs, uint32_t n)
{
	*report = (struct report)REPORT_INIT;
	report->options.kinds = KIND_MASK_ALL;
	report->processes = calloc(1, sizeof(*report->processes));
	report->processes[0].detectors = (1u << DETECTOR_N) - 1;
	report->n_processes = 1;
	report->findings = calloc(n + 1, sizeof(*report->findings));
	for (uint32_t i = 0; i < n; i++) {
		struct finding *finding = calloc(1, sizeof(*finding));
		const char *functions[] = {"Class.fetch", specs[i].caller, "<module>"};

		snprintf(finding->fingerprint, sizeof(finding->fingerprint), "%s",
			 specs[i].fingerprint);
		finding->kind = KIND_BLOCKING_CALL;
		finding->count = specs[i].count;
		finding->max_ns = specs[i].max_ms * MS - 1;
		finding->call = (struct call){.name = "poll", .fd = -1, .gil_held = -1};
		finding->culprit = (struct frame){.file = "/srv/app.py",
						  .function = "Class.fetch",
						  .module = "app",
						  .line = (int32_t)(10 + i)};
		finding->stacks[0] = stack_of(functions, 3, "/srv/app.py");
		if (specs[i].caller_file)
			finding->stacks[0]->frames[1].file = specs[i].caller_file;
		finding->n_stacks = 1;
		report->findings[report->n_findings++] = finding;
	}
}

static enum baseline_state state_of(const struct report *report, int32_t line)
{
	for (uint32_t i = 0; i < report->n_findings; i++)
		if (report->findings[i]->culprit.line == line)
			return report->findings[i]->baseline;
	return BASELINE_NONE;
}

static const char golden[] =
	HEAD "# fingerprint, times, longest, lines of code, kind, site, by; below: callers\n"
	     "aaaaaaaaaaaaaaaa 7 153ms 1 blocking-call app:fetch poll\n"
	     "\tapp:one\n"
	     "bbbbbbbbbbbbbbbb 3 30ms 1 blocking-call app:fetch poll\n"
	     "\tapp:one\n";

static void test_states(void **state)
{
	static const struct {
		struct spec spec;
		enum baseline_state state;
		const char *worse;
	} cases[] = {
		{{"aaaaaaaaaaaaaaaa", 7, 153, "one", NULL}, BASELINE_KNOWN, NULL},
		{{"aaaaaaaaaaaaaaaa", 14, 306, "one", NULL}, BASELINE_KNOWN, NULL},
		{{"aaaaaaaaaaaaaaaa", 15, 153, "one", NULL}, BASELINE_WORSE, "often"},
		{{"aaaaaaaaaaaaaaaa", 7, 308, "one", NULL}, BASELINE_WORSE, "long"},
		{{"aaaaaaaaaaaaaaaa", 7, 153, "Other.two", NULL}, BASELINE_WORSE, "new way"},
		{{"aaaaaaaaaaaaaaaa", 7, 153, "Class.one", NULL}, BASELINE_KNOWN, NULL},
		{{"cccccccccccccccc", 1, 1, "one", NULL}, BASELINE_NEW, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct baseline_error error = {0};
		struct baseline baseline;
		struct report report;
		struct gate_rule rule;
		struct gate_error wrong;
		struct gate gate;

		print_message("case %zu\n", i);
		assert_int_equal(parse(&baseline, golden, &error), 0);
		make_report(&report, &cases[i].spec, 1);
		assert_int_equal(baseline_mark(&baseline, "b", &report), 0);
		assert_int_equal(report.findings[0]->baseline, cases[i].state);
		if (cases[i].worse)
			assert_non_null(strstr(report.findings[0]->worse, cases[i].worse));
		else
			assert_null(report.findings[0]->worse);
		assert_int_equal(report.baseline.n_gone, cases[i].state == BASELINE_NEW ? 2 : 1);
		assert_int_equal(gate_parse("any", &rule, &wrong), 0);
		gate_judge(&rule, &report, &gate);
		assert_int_equal(gate.value > 0, cases[i].state != BASELINE_KNOWN);
		report_deinit(&report);
		baseline_deinit(&baseline);
	}
}

/* What computes is as fast as the machine just is. */
static void test_computing(void **state)
{
	struct spec specs[] = {{"aaaaaaaaaaaaaaaa", 7, 400, "one", NULL},
			       {"bbbbbbbbbbbbbbbb", 3, 402, "one", NULL}};
	struct baseline_error error = {0};
	struct baseline baseline;
	struct report report;

	(void)state;
	parse(&baseline,
	      HEAD "aaaaaaaaaaaaaaaa 7 100ms 1 slow-callback a:b\n"
		   "bbbbbbbbbbbbbbbb 3 100ms 1 slow-callback a:b\n",
	      &error);
	make_report(&report, specs, 2);
	assert_int_equal(baseline_mark(&baseline, "b", &report), 0);
	assert_int_equal(state_of(&report, 10), BASELINE_KNOWN);
	assert_int_equal(state_of(&report, 11), BASELINE_WORSE);
	report_deinit(&report);
	baseline_deinit(&baseline);
}

/* In strict mode a short call may take any time; how often it is made still counts. */
static void test_strict(void **state)
{
	struct spec specs[] = {{"aaaaaaaaaaaaaaaa", 7, 500, "one", NULL},
			       {"bbbbbbbbbbbbbbbb", 7, 500, "one", NULL}};
	struct baseline_error error = {0};
	struct baseline baseline;
	struct report report;

	(void)state;
	parse(&baseline, golden, &error);
	make_report(&report, specs, 2);
	report.options.is_strict = true;
	assert_int_equal(baseline_mark(&baseline, "b", &report), 0);
	assert_int_equal(state_of(&report, 10), BASELINE_KNOWN);
	assert_int_equal(state_of(&report, 11), BASELINE_WORSE);
	report_deinit(&report);
	baseline_deinit(&baseline);
}

/* Another test of what is known is no new way; a further line of the function is new. */
static void test_ways_and_lines(void **state)
{
	struct spec specs[] = {{"aaaaaaaaaaaaaaaa", 7, 153, "one", NULL},
			       {"aaaaaaaaaaaaaaaa", 2, 30, "one", NULL},
			       {"bbbbbbbbbbbbbbbb", 3, 30, "test_it", "/srv/tests/test_it.py"}};
	struct baseline_error error = {0};
	struct baseline baseline;
	struct report report;

	(void)state;
	parse(&baseline,
	      HEAD "aaaaaaaaaaaaaaaa 7 153ms 1 blocking-call app:fetch poll\n"
		   "bbbbbbbbbbbbbbbb 3 30ms 1 blocking-call app:fetch poll\n\t-\n",
	      &error);
	make_report(&report, specs, 3);
	assert_int_equal(baseline_mark(&baseline, "b", &report), 0);
	assert_int_equal(state_of(&report, 10), BASELINE_KNOWN);
	assert_int_equal(state_of(&report, 11), BASELINE_NEW);
	assert_int_equal(state_of(&report, 12), BASELINE_KNOWN);
	assert_int_equal(report.findings[0]->baseline, BASELINE_NEW); /* first, to be seen */
	report_deinit(&report);
	baseline_deinit(&baseline);
}

/* By itself it only shrinks; accepted, it holds what was seen, and reads back as it was written. */
static void test_update(void **state)
{
	struct spec specs[] = {{"aaaaaaaaaaaaaaaa", 5, 400, "one", NULL},
			       {"cccccccccccccccc", 11, 20, "two", NULL}};
	struct baseline_error error = {0};
	struct baseline_changes changes;
	struct baseline baseline;
	struct report report;
	char *text;

	(void)state;
	assert_int_equal(parse(&baseline, golden, &error), 0);
	text = written(&baseline);
	assert_string_equal(text, golden);
	free(text);
	make_report(&report, specs, 2);
	assert_int_equal(baseline_mark(&baseline, "b", &report), 0);
	assert_int_equal(baseline_update(&baseline, &report, false, &changes), 0);
	assert_int_equal(changes.n_removed, 1);
	assert_int_equal(changes.n_lowered, 1);
	assert_int_equal(changes.n_added, 0);
	text = written(&baseline);
	assert_non_null(strstr(text, "\naaaaaaaaaaaaaaaa 5 153ms 1 blocking-call app:fetch poll\n"
				     "\tapp:one\n"));
	assert_null(strstr(text, "bbbbbbbb"));
	assert_null(strstr(text, "cccccccc"));
	free(text);
	assert_int_equal(baseline_mark(&baseline, "b", &report), 0);
	assert_int_equal(baseline_update(&baseline, &report, true, &changes), 0);
	assert_int_equal(changes.n_added, 2);
	text = written(&baseline);
	assert_non_null(strstr(text, "aaaaaaaaaaaaaaaa 5 400ms 1 "));
	assert_non_null(strstr(
		text, "cccccccccccccccc 11 20ms 1 blocking-call app:fetch poll\n\tapp:two\n"));
	baseline_deinit(&baseline);
	assert_int_equal(parse(&baseline, text, &error), 0);
	free(text);
	assert_int_equal(baseline_mark(&baseline, "b", &report), 0);
	assert_int_equal(state_of(&report, 10), BASELINE_KNOWN);
	assert_int_equal(state_of(&report, 11), BASELINE_KNOWN);
	assert_int_equal(report.baseline.n_gone, 0);
	report_deinit(&report);
	baseline_deinit(&baseline);
}

/* What nobody looked for is not gone. */
static void test_not_looked_for(void **state)
{
	struct baseline_error error = {0};
	struct baseline_changes changes;
	struct baseline baseline;
	struct report report;

	(void)state;
	assert_int_equal(parse(&baseline, golden, &error), 0);
	make_report(&report, NULL, 0);
	report.options.kinds &= ~KIND_MASK(KIND_BLOCKING_CALL);
	assert_int_equal(baseline_mark(&baseline, "b", &report), 0);
	assert_int_equal(report.baseline.n_gone, 0);
	assert_int_equal(baseline_update(&baseline, &report, false, &changes), 0);
	assert_int_equal(baseline.n_entries, 2);
	report.options.kinds = KIND_MASK_ALL;
	report.processes[0].detectors = 0;
	assert_int_equal(baseline_update(&baseline, &report, false, &changes), 0);
	assert_int_equal(baseline.n_entries, 2);
	report_deinit(&report);
	baseline_deinit(&baseline);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),	       cmocka_unit_test(test_states),
		cmocka_unit_test(test_strict),	       cmocka_unit_test(test_computing),
		cmocka_unit_test(test_ways_and_lines), cmocka_unit_test(test_update),
		cmocka_unit_test(test_not_looked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
