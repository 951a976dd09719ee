/* SPDX-License-Identifier: Apache-2.0 */
/* Line table: the three encodings by hand-made tables, and garbage of every length */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/defs.h"
#include "pyframe/linetable.h"

struct wanted_line {
	uint64_t lasti;
	int32_t line;
};

static void assert_lines(enum linetable_kind kind, const uint8_t *bytes, size_t n_bytes,
			 const struct wanted_line *wanted, size_t n_wanted)
{
	for (size_t i = 0; i < n_wanted; i++)
		assert_int_equal(linetable_find(kind, bytes, n_bytes, 10, wanted[i].lasti),
				 wanted[i].line);
}

static void test_lnotab(void **state)
{
	/* +6 bytes +1 line; +50 +127 and +0 +73 (a step of 200); +4 -5; the rest stays there. */
	static const uint8_t bytes[] = {6, 1, 50, 127, 0, 73, 4, 0xfb};
	static const struct wanted_line wanted[] = {{0, 10},   {4, 10},	  {6, 11},   {54, 11},
						    {56, 211}, {58, 211}, {60, 206}, {9999, 206}};

	(void)state;
	assert_lines(LINETABLE_LNOTAB, bytes, sizeof(bytes), wanted, ARRAY_LEN(wanted));
	assert_int_equal(linetable_find(LINETABLE_LNOTAB, bytes, 0, 10, 4), 10);
}

static void test_ranges(void **state)
{
	/* 6 bytes on 10; 4 on 12; none for 2; 254 + 2 on 5; an empty range up to 105, 8 on 106. */
	static const uint8_t bytes[] = {6, 0, 4, 2, 2, 0x80, 254, 0xf9, 2, 0, 0, 100, 8, 1};
	static const struct wanted_line wanted[] = {{0, 10},	{4, 10},    {6, 12},  {8, 12},
						    {10, 0},	{12, 5},    {264, 5}, {266, 5},
						    {268, 106}, {274, 106}, {276, 0}};

	(void)state;
	assert_lines(LINETABLE_RANGES, bytes, sizeof(bytes), wanted, ARRAY_LEN(wanted));
	assert_int_equal(linetable_find(LINETABLE_RANGES, bytes, 0, 10, 4), 0);
}

#define ENTRY(code, n_units) (0x80 | (code) << 3 | ((n_units)-1))

static void test_locations(void **state)
{
	static const uint8_t bytes[] = {
		ENTRY(0, 1),  0x11,			    /* short: 10, for 2 bytes */
		ENTRY(11, 2), 0x05, 0x0a,		    /* one line: 11, for 4 */
		ENTRY(15, 1),				    /* no line, for 2 */
		ENTRY(13, 3), 0x4e, 0x01,		    /* no columns: +39, for 6: 50 */
		ENTRY(14, 8), 0x0b, 0x02, 0x44, 0x01, 0x06, /* long: -5, for 16: 45 */
		ENTRY(12, 1), 0x00, 0x01,		    /* 47, for 2 */
	};
	static const struct wanted_line wanted[] = {{0, 10},  {2, 11},	{4, 11},  {6, 0},
						    {8, 50},  {12, 50}, {14, 45}, {28, 45},
						    {30, 47}, {32, 0}};

	(void)state;
	assert_lines(LINETABLE_LOCATIONS, bytes, sizeof(bytes), wanted, ARRAY_LEN(wanted));
}

static void test_locations_broken(void **state)
{
	static const uint8_t endless[] = {ENTRY(13, 1), 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f};
	static const uint8_t cut[] = {ENTRY(13, 1), 0x42};
	static const uint8_t begun_again[] = {ENTRY(13, 1), 0x42, ENTRY(0, 1), 0x11};
	static const uint8_t below_one[] = {ENTRY(13, 1), 0x3f};

	(void)state;
	assert_int_equal(linetable_find(LINETABLE_LOCATIONS, endless, sizeof(endless), 10, 0), 0);
	assert_int_equal(linetable_find(LINETABLE_LOCATIONS, cut, sizeof(cut), 10, 0), 0);
	assert_int_equal(
		linetable_find(LINETABLE_LOCATIONS, begun_again, sizeof(begun_again), 10, 0), 0);
	assert_int_equal(linetable_find(LINETABLE_LOCATIONS, below_one, sizeof(below_one), 10, 0),
			 0);
}

/* However a table is cut into pieces, the answer is the same, and garbage gives one at all. */
static void test_pieces_of_garbage(void **state)
{
	uint8_t bytes[257];
	unsigned int seed = 7;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		enum linetable_kind kind = LINETABLE_LNOTAB + round % 3;
		uint64_t lasti = (uint64_t)rand_r(&seed) % 600;
		size_t n_bytes = (size_t)rand_r(&seed) % sizeof(bytes);
		struct linetable table;

		for (size_t i = 0; i < n_bytes; i++)
			bytes[i] = (uint8_t)rand_r(&seed);
		linetable_init(kind, 10, lasti, &table);
		for (size_t at = 0, n; at < n_bytes; at += n) {
			n = (size_t)rand_r(&seed) % 9;
			n = MIN(n_bytes - at, n);
			if (linetable_feed(&table, bytes + at, n))
				break;
		}
		assert_int_equal(linetable_line(&table),
				 linetable_find(kind, bytes, n_bytes, 10, lasti));
		assert_true(linetable_line(&table) >= 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lnotab),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_locations),
		cmocka_unit_test(test_locations_broken),
		cmocka_unit_test(test_pieces_of_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
