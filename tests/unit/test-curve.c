/* SPDX-License-Identifier: Apache-2.0 */
/* Curves: what was told in steps is asked for between any two moments */
#include "check.h"

#include <string.h>

#include "curve.h"

#define MS NSEC_PER_MSEC

/* A wait of one kind, told of by itself; sums of it stood at before_ns. */
static void step(struct curve *curve, nsec_t from, nsec_t to, enum waits_why why, nsec_t before_ns)
{
	struct waits_event event = {.our_tid = 7, .our_pid = 7, .born = 10 * MS};

	event.from = from;
	event.to = to;
	event.before[why] = before_ns;
	event.after[why] = before_ns + (to - from);
	assert_int_equal(curve_add(curve, &event), 0);
}

static nsec_t waited(const struct curve *curve, nsec_t from, nsec_t to, enum waits_why why)
{
	nsec_t ns[WAITS_N];

	assert_true(curve_span(curve, from, to, ns));
	return ns[why];
}

static void test_waits_are_exact(void **state)
{
	struct curve curve = {0};

	(void)state;
	step(&curve, 20 * MS, 157 * MS, WAITS_BLOCKED, 0);
	step(&curve, 200 * MS, 211 * MS, WAITS_BLOCKED, 137 * MS);
	assert_int_equal(waited(&curve, 15 * MS, 160 * MS, WAITS_BLOCKED), 137 * MS);
	assert_int_equal(waited(&curve, 15 * MS, 205 * MS, WAITS_BLOCKED), 142 * MS);
	assert_int_equal(waited(&curve, 30 * MS, 300 * MS, WAITS_BLOCKED), 138 * MS);
	assert_int_equal(waited(&curve, 160 * MS, 199 * MS, WAITS_BLOCKED), 0);
	assert_int_equal(waited(&curve, 15 * MS, 300 * MS, WAITS_GIL), 0);
	curve_deinit(&curve);
}

static void test_what_was_before_is_not_known(void **state)
{
	struct curve curve = {0};
	nsec_t ns[WAITS_N];

	(void)state;
	assert_false(curve_span(&curve, 1, 2, ns));
	step(&curve, 20 * MS, 21 * MS, WAITS_LOCK, 0);
	assert_false(curve_span(&curve, 9 * MS, 30 * MS, ns));
	assert_true(curve_span(&curve, 10 * MS, 30 * MS, ns));
	curve_deinit(&curve);
}

/* A gap: some steps were lost, and the next one says where the sums stood. */
static void test_lost_steps_are_spread(void **state)
{
	struct curve curve = {0};

	(void)state;
	step(&curve, 20 * MS, 30 * MS, WAITS_PAGE, 0);
	step(&curve, 130 * MS, 140 * MS, WAITS_PAGE, 60 * MS);
	assert_int_equal(waited(&curve, 10 * MS, 140 * MS, WAITS_PAGE), 70 * MS);
	assert_int_equal(waited(&curve, 30 * MS, 80 * MS, WAITS_PAGE), 25 * MS);
	curve_deinit(&curve);
}

static void test_another_thread_of_that_number_begins_anew(void **state)
{
	struct curve curve = {0};
	struct waits_event event = {.born = 500 * MS, .from = 510 * MS, .to = 513 * MS};
	nsec_t ns[WAITS_N];

	(void)state;
	step(&curve, 20 * MS, 30 * MS, WAITS_GIL, 0);
	event.after[WAITS_GIL] = 3 * MS;
	assert_int_equal(curve_add(&curve, &event), 0);
	assert_false(curve_span(&curve, 20 * MS, 513 * MS, ns));
	assert_int_equal(waited(&curve, 500 * MS, 513 * MS, WAITS_GIL), 3 * MS);
	curve_deinit(&curve);
}

/* An hour of waits of a millisecond each: its room stays bounded, and its ends are there. */
static void test_long_ones_keep_their_ends(void **state)
{
	struct curve curve = {0};
	nsec_t at = 20 * MS, sum = 0, ns;

	(void)state;
	for (unsigned int i = 0; i < 1800000; i++, at += 2 * MS, sum += MS)
		step(&curve, at, at + MS, WAITS_RUN_QUEUE, sum);
	assert_true(curve.n_points <= 16384);
	ns = waited(&curve, 10 * MS, at, WAITS_RUN_QUEUE);
	assert_int_equal(ns, sum);
	ns = waited(&curve, at / 2, at, WAITS_RUN_QUEUE);
	assert_true(ns > sum / 2 - sum / 20 && ns < sum / 2 + sum / 20);
	curve_deinit(&curve);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits_are_exact),
		cmocka_unit_test(test_what_was_before_is_not_known),
		cmocka_unit_test(test_lost_steps_are_spread),
		cmocka_unit_test(test_another_thread_of_that_number_begins_anew),
		cmocka_unit_test(test_long_ones_keep_their_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
