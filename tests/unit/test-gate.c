/* SPDX-License-Identifier: Apache-2.0 */
/* Gates: what can be asked for, where a wrong expression is wrong, and when one is broken */
#include "check.h"

#include "base/defs.h"
#include "gate.h"

static void test_parse(void **state)
{
	static const struct {
		const char *expr;
		enum gate_subject subject;
		double limit;
	} cases[] = {
		{"any", GATE_ANY, 0},
		{"never-awaited", GATE_KIND, 0},
		{"blocking-call>50ms", GATE_KIND_SPAN, 50e6},
		{"slow-callback>1.5s", GATE_KIND_SPAN, 1.5e9},
		{"blocking-call:count>10", GATE_KIND_COUNT, 10},
		{"never-awaited:count>0", GATE_KIND_COUNT, 0},
		{"task-flood>5000", GATE_KIND_SIZE, 5000},
		{"task-flood:count>3", GATE_KIND_COUNT, 3},
		{"lag-p99>50ms", GATE_LAG_P99, 50e6},
		{"turn-max>1s", GATE_TURN_MAX, 1e9},
		{"utilisation>80%", GATE_UTILISATION, 0.8},
		{"lost>0", GATE_LOST, 0},
		{"lag-p99 > 50ms", GATE_LAG_P99, 50e6},
		{" blocking-call :count > 10 ", GATE_KIND_COUNT, 10},
		{"utilisation >80% ", GATE_UTILISATION, 0.8},
		{" any ", GATE_ANY, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct gate_error error;
		struct gate_rule rule;

		print_message("%s\n", cases[i].expr);
		assert_int_equal(gate_parse(cases[i].expr, &rule, &error), 0);
		assert_int_equal(rule.subject, cases[i].subject);
		assert_true(rule.limit > cases[i].limit * 0.999999 - 1e-9 &&
			    rule.limit < cases[i].limit * 1.000001 + 1e-9);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *expr;
		size_t at;
	} cases[] = {
		{"", 0},
		{"blocking-cal", 0},
		{"task-flood>50ms", 11}, /* its size is no duration */
		{"task-flood>", 11},
		{"blocking-call>", 14},
		{"blocking-call>50", 14},
		{"blocking-call>50mss", 14},
		{"blocking-call:max>1", 13},
		{"blocking-call:count", 19},
		{"blocking-call:count>", 20},
		{"blocking-call:count>-1", 20},
		{"blocking-call=3", 0},
		{"never-awaited>50ms", 13},
		{"lag-p99", 7},
		{"lag-p99>5", 8},
		{"utilisation>0.8", 12},
		{"utilisation>180%", 12},
		{"utilisation>1e1%", 12},
		{"lost>many", 5},
		{"any>3", 3},
		{"anything", 0},
		{" anything", 1},
		{"any thing", 4},
		{"lag-p99 50ms", 8},
		{"lag-p99 > 5 0ms", 10},
		{"blocking-call: count>3", 13},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct gate_error error = {.at = 999};
		struct gate_rule rule;

		print_message("%s\n", cases[i].expr);
		assert_int_not_equal(gate_parse(cases[i].expr, &rule, &error), 0);
		assert_int_equal(error.at, cases[i].at);
		assert_true(strlen(error.text) > 0);
	}
}

static void test_nearest(void **state)
{
	static const struct {
		const char *expr, *nearest;
	} cases[] = {
		{"blocking-cal", "blocking-call"},
		{"lag-p9>50ms", "lag-p99"},
		{"utilization>80%", "utilisation"},
		{" turn-mx>1s", "turn-max"},
		{"blocking>20ms", "blocking-call"},
		{"turn>1s", "turn-max"},
		{"quite-another", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct gate_error error;
		struct gate_rule rule;

		assert_int_not_equal(gate_parse(cases[i].expr, &rule, &error), 0);
		if (cases[i].nearest)
			assert_string_equal(error.nearest, cases[i].nearest);
		else
			assert_null(error.nearest);
	}
}

static bool holds(const char *expr, struct report *report)
{
	struct gate_error error;
	struct gate_rule rule;
	struct gate gate;

	assert_int_equal(gate_parse(expr, &rule, &error), 0);
	gate_judge(&rule, report, &gate);
	return gate.is_ok;
}

static void test_judge(void **state)
{
	struct finding finding = {.kind = KIND_BLOCKING_CALL, .count = 7, .max_ns = 60000000};
	struct finding *findings[] = {&finding};
	struct process process = {.pid = 1, .detectors = 0x1f};
	struct loop loop = {.pid = 1, .busy_ns = 90, .idle_ns = 10};
	struct report report = {
		.processes = &process,
		.n_processes = 1,
		.loops = &loop,
		.n_loops = 1,
		.findings = findings,
		.n_findings = 1,
	};

	(void)state;
	loop.lag.count = 3;
	loop.lag.p99_ns = 40000000;
	loop.turn.max_ns = 70000000;
	assert_false(holds("any", &report));
	assert_false(holds("blocking-call", &report));
	assert_true(holds("slow-callback", &report));
	assert_false(holds("blocking-call>50ms", &report));
	assert_true(holds("blocking-call>60ms", &report));
	assert_false(holds("blocking-call:count>6", &report));
	assert_true(holds("blocking-call:count>7", &report));
	assert_false(holds("lag-p99>39ms", &report));
	assert_true(holds("lag-p99>40ms", &report));
	assert_false(holds("turn-max>1ms", &report));
	assert_false(holds("utilisation>80%", &report));
	assert_true(holds("utilisation>90%", &report));
	assert_true(holds("lost>0", &report));
	process.detectors = UINT32_MAX;
	finding.kind = KIND_TASK_FLOOD;
	finding.n = 6007;
	assert_false(holds("task-flood>6006", &report));
	assert_true(holds("task-flood>6007", &report));
	report.lost.n[LOSS_RING_FULL] = 1;
	assert_false(holds("lost>0", &report));
}

/* "None found" where nothing could be found must not pass. */
static void test_not_measured(void **state)
{
	struct process processes[] = {{.pid = 1, .detectors = 0x1f}, {.pid = 2, .detectors = 0}};
	struct loop loop = {.pid = 1};
	struct report report = {.processes = processes, .n_processes = 2};

	(void)state;
	assert_false(holds("lag-p99>1s", &report));
	assert_false(holds("any", &report));
	report.loops = &loop;
	report.n_loops = 1;
	/* A loop that was watched from outside has none. */
	assert_false(holds("lag-p99>1s", &report));
	assert_true(holds("turn-max>1s", &report));
	loop.lag.count = 1;
	assert_true(holds("lag-p99>1s", &report));
	/* A process without a loop need not have its detectors live, one with a loop must. */
	assert_true(holds("never-awaited", &report));
	loop.pid = 2;
	assert_false(holds("never-awaited", &report));
	assert_true(holds("lost>0", &report));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),	     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nearest),	     cmocka_unit_test(test_judge),
		cmocka_unit_test(test_not_measured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
