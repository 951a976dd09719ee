/* SPDX-License-Identifier: Apache-2.0 */
/* Figures: histograms to percentiles, exact ones of a few spans, durations and points in time */
#include "check.h"

#include <stdio.h>

#include "figure.h"
#include "pool.h"
#include "spans.h"
#include "stamp.h"

static const struct clock_scale one_to_one = {.mult = UINT64_C(1) << 32};

static void test_percentiles(void **state)
{
	struct hist hist = {0};
	struct figure figure;

	(void)state;
	for (uint64_t i = 1; i <= 1000; i++)
		hist_add(&hist, i * 100000);
	assert_int_equal(figure_init(&figure, &hist, &one_to_one), 0);
	assert_int_equal(figure.count, 1000);
	assert_int_equal(figure.max_ns, 100000000);
	assert_in_range(figure.p50_ns, 50000000, 53200000);
	assert_in_range(figure.p99_ns, 99000000, 100000000);
	assert_in_range(figure.p999_ns, 99900000, 100000000);
	for (uint32_t i = 1; i < figure.n_buckets; i++)
		assert_true(figure.buckets[i].upper_ns > figure.buckets[i - 1].upper_ns);
	figure_deinit(&figure);
}

/* Every span falls in a bucket whose end is above it, by a sixteenth at most. */
static void test_buckets(void **state)
{
	(void)state;
	for (uint64_t span = 1; span < UINT64_C(1) << 43; span = span * 17 / 16 + 1) {
		unsigned int bucket = hist_bucket(span);

		assert_in_range(bucket, 0, HIST_N_BUCKETS - 1);
		assert_true(hist_upper(bucket) > span);
		if (bucket)
			assert_true(hist_upper(bucket - 1) <= span);
	}
	assert_int_equal(hist_bucket(UINT64_MAX), HIST_N_BUCKETS - 1);
}

static void test_empty_and_hostile(void **state)
{
	struct hist hist = {0};
	struct figure figure, copy;

	(void)state;
	assert_int_equal(figure_init(&figure, &hist, &one_to_one), 0);
	assert_int_equal(figure.count, 0);
	assert_int_equal(figure.p99_ns, 0);
	assert_int_equal(figure_copy(&copy, &figure), 0);
	figure_deinit(&copy);
	figure_deinit(&figure);
	memset(&hist, 0xff, sizeof(hist));
	assert_int_equal(figure_init(&figure, &hist, &one_to_one), 0);
	assert_int_equal(figure.n_buckets, HIST_N_BUCKETS);
	figure_deinit(&figure);
}

static void test_spans(void **state)
{
	struct spans spans = SPANS_INIT;

	(void)state;
	assert_int_equal(spans_percentile(&spans, 50), 0);
	for (uint64_t i = 101; i > 0; i--)
		assert_int_equal(spans_add(&spans, i, SPANS_MAX_KEPT), 0);
	assert_int_equal(spans_percentile(&spans, 50), 51);
	assert_int_equal(spans_percentile(&spans, 99), 100);
	assert_int_equal(spans_percentile(&spans, 100), 101);
	for (uint64_t i = 0; i < 100000; i++)
		assert_int_equal(spans_add(&spans, 1000 + i % 1000, SPANS_MAX_KEPT), 0);
	assert_int_equal(spans.n_kept, SPANS_MAX_KEPT);
	assert_int_equal(spans.n, 100101);
	assert_in_range(spans_percentile(&spans, 50), 1400, 1600);
	spans_deinit(&spans);
}

/* Memory gets scarce while they are kept: what is there stays, and the sample stays fair. */
static void test_spans_scarce(void **state)
{
	struct spans spans = SPANS_INIT;

	(void)state;
	for (uint64_t i = 0; i < 300; i++)
		assert_int_equal(spans_add(&spans, 1000 + i % 100, SPANS_MAX_KEPT), 0);
	for (uint64_t i = 0; i < 100000; i++)
		assert_int_equal(spans_add(&spans, 2000 + i % 1000, SPANS_MIN_KEPT), 0);
	assert_int_equal(spans.n_kept, 512);
	assert_int_equal(spans.n, 100300);
	assert_in_range(spans_percentile(&spans, 50), 2400, 2600);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(spans_add(&spans, 2500, SPANS_MAX_KEPT), 0);
	assert_int_equal(spans.n_kept, 512);
	spans_deinit(&spans);
}

static void test_stamps(void **state)
{
	char buf[STAMP_BYTES];
	uint64_t at;

	(void)state;
	assert_string_equal(stamp_utc(UINT64_C(1700000000123456789), buf),
			    "2023-11-14T22:13:20.123456Z");
	assert_int_equal(stamp_parse(buf, &at), 0);
	assert_int_equal(at, UINT64_C(1700000000123456000));
	assert_int_equal(strlen(stamp_utc(UINT64_MAX, buf)), 27);
	assert_int_not_equal(stamp_parse("2023-11-14", &at), 0);
	assert_int_not_equal(stamp_parse("2023-11-14T22:13:20.123456Zx", &at), 0);
	assert_string_equal(stamp_span(0, buf), "0 ns");
	assert_string_equal(stamp_span(1500, buf), "1.50 us");
	assert_string_equal(stamp_span(151400000, buf), "151 ms");
	assert_string_equal(stamp_span(999600000, buf), "1.00 s");
	assert_string_equal(stamp_span(UINT64_C(12340000000), buf), "12.3 s");
	assert_string_equal(stamp_span(UINT64_C(125000000000), buf), "2 m 05 s");
	assert_string_equal(stamp_span(UINT64_C(7260000000000), buf), "2 h 01 m");
}

static void test_pool(void **state)
{
	struct pool *pool = NULL;
	char number[16];

	(void)state;
	assert_int_equal(pool_new(&pool), 0);
	assert_ptr_equal(pool_keep_text(pool, "a"), pool_keep(pool, "ab", 1));
	assert_string_equal(pool_keep(pool,
				      "a\xff"
				      "b\0c",
				      5),
			    "a\xef\xbf\xbd"
			    "b\xef\xbf\xbd"
			    "c");
	assert_string_equal(pool_keep_text(pool, "\xc0\xaf\xed\xa0\x80"),
			    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	assert_string_equal(pool_keep_text(pool, "gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
	for (int i = 0; i < 5000; i++) {
		snprintf(number, sizeof(number), "%d", i);
		assert_string_equal(pool_keep_text(pool, number), number);
	}
	assert_null(pool_keep_text(pool, NULL));
	assert_int_equal(pool_refused(pool), 0);
	pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_empty_and_hostile),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_spans_scarce),
		cmocka_unit_test(test_stamps),
		cmocka_unit_test(test_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
