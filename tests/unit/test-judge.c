/* SPDX-License-Identifier: Apache-2.0 */
/* The judge, by table: what was seen, and what it is */
#include "check.h"

#include "base/defs.h"
#include "judge.h"

#define MS NSEC_PER_MSEC

static const struct limits limits = {
	.slow_callback_ns = 100 * MS,
	.long_turn_ns = 100 * MS,
	.blocking_call_ns = 20 * MS,
	.stuck_ns = 1000 * MS,
	.judged_from_ns = 1000 * MS,
	.kinds = KIND_MASK_ALL,
};

struct stall_case {
	const char *name;
	struct stall_facts facts;
	enum verdict verdict;
	struct judgement judgement;
};

#define FACTS(span, reported, cpu, queue, frozen)                                      \
	{                                                                              \
		2000 * MS, (span)*MS, (reported)*MS, (cpu)*MS, (queue)*MS, (frozen)*MS \
	}

static const struct stall_case stall_cases[] = {
	{"just at the limit",
	 FACTS(100, 0, -1, -1, -1),
	 VERDICT_FINDING,
	 {KIND_SLOW_CALLBACK, 100 * MS, {-1, -1, 100 * MS}}},
	{"below", FACTS(99, 0, -1, -1, -1), VERDICT_NOTHING, {0}},
	{"a reported call is taken off", FACTS(250, 200, -1, -1, -1), VERDICT_NOTHING, {0}},
	{"and the rest is judged",
	 FACTS(350, 200, 150, 0, 0),
	 VERDICT_FINDING,
	 {KIND_SLOW_CALLBACK, 150 * MS, {150 * MS, 0, 0}}},
	{"more reported than there was", FACTS(150, 200, -1, -1, -1), VERDICT_NOTHING, {0}},
	{"waiting for a CPU", FACTS(180, 0, 60, 120, 0), VERDICT_DESCHEDULED, {0}},
	{"waiting for the GIL", {2000 * MS, 423 * MS, 0, 3 * MS, 0, 0, 400 * MS}, VERDICT_GIL, {0}},
	{"stopped", FACTS(1050, 0, 50, 0, 1000), VERDICT_DESCHEDULED, {0}},
	{"stopped, and slow too",
	 FACTS(1200, 0, 180, 0, 1000),
	 VERDICT_FINDING,
	 {KIND_SLOW_CALLBACK, 200 * MS, {180 * MS, 0, 20 * MS}}},
	{"slow on a busy machine",
	 FACTS(400, 0, 250, 100, 0),
	 VERDICT_FINDING,
	 {KIND_SLOW_CALLBACK, 400 * MS, {250 * MS, 100 * MS, 50 * MS}}},
	{"parts measured to a tick exceed the whole",
	 FACTS(200, 0, 220, 0, 0),
	 VERDICT_FINDING,
	 {KIND_SLOW_CALLBACK, 200 * MS, {200 * MS, 0, 0}}},
};

static void check_judgement(const struct judgement *got, const struct judgement *wanted)
{
	assert_int_equal(got->kind, wanted->kind);
	assert_int_equal(got->span_ns, wanted->span_ns);
	assert_int_equal(got->cause.on_cpu_ns, wanted->cause.on_cpu_ns);
	assert_int_equal(got->cause.run_queue_ns, wanted->cause.run_queue_ns);
	assert_int_equal(got->cause.unknown_ns, wanted->cause.unknown_ns);
}

static int64_t unmeasured(int64_t ms_ns)
{
	return ms_ns < 0 ? -1 : ms_ns;
}

static void test_callbacks(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(stall_cases); i++) {
		const struct stall_case *c = &stall_cases[i];
		struct stall_facts facts = c->facts;
		struct judgement judgement;
		enum verdict verdict;

		facts.cpu_ns = unmeasured(facts.cpu_ns);
		facts.run_queue_ns = unmeasured(facts.run_queue_ns);
		facts.frozen_ns = unmeasured(facts.frozen_ns);
		verdict = judge_callback(&limits, &facts, &judgement);
		print_message("%s\n", c->name);
		assert_int_equal(verdict, c->verdict);
		if (verdict == VERDICT_FINDING)
			check_judgement(&judgement, &c->judgement);
	}
}

static void test_turn(void **state)
{
	struct stall_facts facts = {2000 * MS, 300 * MS, 0, -1, -1, -1};
	struct judgement judgement;

	(void)state;
	assert_int_equal(judge_turn(&limits, &facts, 0, &judgement), VERDICT_FINDING);
	assert_int_equal(judgement.kind, KIND_LONG_TURN);
	/* Its callbacks were reported. */
	assert_int_equal(judge_turn(&limits, &facts, 1, &judgement), VERDICT_NOTHING);
	/* So were its calls. */
	facts.reported_ns = 250 * MS;
	assert_int_equal(judge_turn(&limits, &facts, 0, &judgement), VERDICT_NOTHING);
}

/* The collector computes: what it took is taken off the time on the CPU, then off what is left. */
static void test_collections(void **state)
{
	struct stall_facts facts = {
		2000 * MS,	  300 * MS, 0, .cpu_ns = 200 * MS, .run_queue_ns = 40 * MS,
		.gc_ns = 150 * MS};
	struct judgement judgement;

	(void)state;
	assert_int_equal(judge_callback(&limits, &facts, &judgement), VERDICT_FINDING);
	assert_int_equal(judgement.cause.on_cpu_ns, 50 * MS);
	assert_int_equal(judgement.cause.gc_ns, 150 * MS);
	assert_int_equal(judgement.cause.unknown_ns, 60 * MS);
	/* It was off the CPU for a while itself. */
	facts.gc_ns = 230 * MS;
	assert_int_equal(judge_callback(&limits, &facts, &judgement), VERDICT_FINDING);
	assert_int_equal(judgement.cause.on_cpu_ns, 0);
	assert_int_equal(judgement.cause.gc_ns, 230 * MS);
	assert_int_equal(judgement.cause.unknown_ns, 30 * MS);
	/* Never more than there was. */
	facts.gc_ns = 299 * MS;
	assert_int_equal(judge_callback(&limits, &facts, &judgement), VERDICT_FINDING);
	assert_int_equal(judgement.cause.gc_ns, 260 * MS);
	assert_int_equal(judgement.cause.unknown_ns, 0);
	facts.gc_ns = -1;
	assert_int_equal(judge_callback(&limits, &facts, &judgement), VERDICT_FINDING);
	assert_int_equal(judgement.cause.gc_ns, -1);
	assert_int_equal(judgement.cause.on_cpu_ns, 200 * MS);
}

static void test_call(void **state)
{
	struct judgement judgement;

	(void)state;
	assert_int_equal(judge_call(&limits, &(struct call_facts){2000 * MS, 20 * MS, false, false},
				    &judgement),
			 VERDICT_FINDING);
	assert_int_equal(judgement.cause.unknown_ns, 20 * MS);
	assert_int_equal(judge_call(&limits, &(struct call_facts){2000 * MS, 19 * MS, false, false},
				    &judgement),
			 VERDICT_NOTHING);
	/* Short calls count from the limit of a callback, strict ones always. */
	assert_int_equal(judge_call(&limits, &(struct call_facts){2000 * MS, 99 * MS, true, false},
				    &judgement),
			 VERDICT_NOTHING);
	assert_int_equal(judge_call(&limits, &(struct call_facts){2000 * MS, 100 * MS, true, false},
				    &judgement),
			 VERDICT_FINDING);
	assert_int_equal(
		judge_call(&limits, &(struct call_facts){2000 * MS, 5, false, true}, &judgement),
		VERDICT_FINDING);
}

static void test_call_by_the_kernel(void **state)
{
	struct call_facts facts = {.start_ns = 2000 * MS, .span_ns = 400 * MS};
	struct judgement judgement;

	(void)state;
	facts.schedule = (struct schedule){.is_known = true,
					   .on_cpu_ns = 1 * MS,
					   .run_queue_ns = 39 * MS,
					   .blocked_ns = 45 * MS,
					   .uninterruptible_ns = 15 * MS,
					   .frozen_ns = 300 * MS};
	assert_int_equal(judge_call(&limits, &facts, &judgement), VERDICT_FINDING);
	assert_int_equal(judgement.kind, KIND_BLOCKING_CALL);
	assert_int_equal(judgement.span_ns, 100 * MS);
	assert_int_equal(judgement.cause.blocked_ns, 45 * MS);
	assert_int_equal(judgement.cause.uninterruptible_ns, 15 * MS);
	assert_int_equal(judgement.cause.page_fault_ns, 0);
	assert_int_equal(judgement.cause.unknown_ns, 0);
	/* It would have been short, had it had a CPU at once. */
	facts.schedule.run_queue_ns = 81 * MS;
	facts.schedule.blocked_ns = 18 * MS;
	facts.schedule.uninterruptible_ns = 0;
	assert_int_equal(judge_call(&limits, &facts, &judgement), VERDICT_DESCHEDULED);
	/* Strict ones count however long they were. */
	facts.is_strict = true;
	assert_int_equal(judge_call(&limits, &facts, &judgement), VERDICT_FINDING);
	/* A sum is of many stretches of time: what was between them is not its own. */
	facts.is_strict = false;
	facts.is_summed = true;
	assert_int_equal(judge_call(&limits, &facts, &judgement), VERDICT_FINDING);
	assert_int_equal(judgement.cause.blocked_ns, -1);
	assert_int_equal(judgement.cause.uninterruptible_ns, -1);
	assert_int_equal(judgement.cause.unknown_ns, 400 * MS);
}

static void test_callback_by_the_kernel(void **state)
{
	struct stall_facts facts = {2000 * MS, 700 * MS, 300 * MS, 0, 0, 0, 0};
	struct judgement judgement;

	(void)state;
	/* The shim saw none of it, the kernel all. */
	facts.schedule = (struct schedule){.is_known = true,
					   .on_cpu_ns = 150 * MS,
					   .run_queue_ns = 20 * MS,
					   .gil_wait_ns = 30 * MS,
					   .page_fault_ns = 40 * MS,
					   .blocked_ns = 460 * MS};
	assert_int_equal(judge_callback(&limits, &facts, &judgement), VERDICT_FINDING);
	assert_int_equal(judgement.span_ns, 400 * MS);
	assert_int_equal(judgement.cause.on_cpu_ns, 150 * MS);
	assert_int_equal(judgement.cause.gil_wait_ns, 30 * MS);
	assert_int_equal(judgement.cause.page_fault_ns, 40 * MS);
	assert_int_equal(judgement.cause.blocked_ns, 160 * MS);
	assert_int_equal(judgement.cause.unknown_ns, 0);
	/* Stopped within a call that is reported by itself: what ran still ran. */
	facts.schedule.frozen_ns = 390 * MS;
	facts.schedule.blocked_ns = 70 * MS;
	assert_int_equal(judge_callback(&limits, &facts, &judgement), VERDICT_FINDING);
	assert_int_equal(judgement.span_ns, 150 * MS);
}

static void test_warmup_and_kinds(void **state)
{
	struct call_facts facts = {999 * MS, 500 * MS, false, false};
	struct limits narrow = limits;
	struct judgement judgement;

	(void)state;
	assert_int_equal(judge_call(&limits, &facts, &judgement), VERDICT_NOTHING);
	facts.start_ns = 1000 * MS;
	assert_int_equal(judge_call(&limits, &facts, &judgement), VERDICT_FINDING);
	narrow.kinds = KIND_MASK(KIND_STUCK);
	assert_int_equal(judge_call(&narrow, &facts, &judgement), VERDICT_NOTHING);
	assert_int_equal(judge_pitfall(&narrow, KIND_NEVER_AWAITED, 2000 * MS, 0, &judgement),
			 VERDICT_NOTHING);
	assert_int_equal(judge_pitfall(&limits, KIND_NEVER_AWAITED, 999 * MS, 0, &judgement),
			 VERDICT_NOTHING);
	assert_int_equal(judge_pitfall(&limits, KIND_NEVER_AWAITED, 2000 * MS, 0, &judgement),
			 VERDICT_FINDING);
}

static void test_open(void **state)
{
	struct judgement judgement;

	(void)state;
	assert_int_equal(judge_open(&limits, 2000 * MS, 999 * MS, &judgement), VERDICT_NOTHING);
	assert_int_equal(judge_open(&limits, 2000 * MS, 1000 * MS, &judgement), VERDICT_FINDING);
	assert_int_equal(judgement.kind, KIND_STUCK);
	assert_int_equal(judgement.span_ns, 1000 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_callbacks),
		cmocka_unit_test(test_turn),
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_warmup_and_kinds),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_call_by_the_kernel),
		cmocka_unit_test(test_callback_by_the_kernel),
		cmocka_unit_test(test_collections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
