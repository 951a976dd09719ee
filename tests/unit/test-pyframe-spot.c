/* SPDX-License-Identifier: Apache-2.0 */
/* Spot: the same frames are known again, and whatever differs in one of them is seen */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "pyframe/spot.h"

#define N_FRAMES (SPOT_MAX_LINKS + 3)

struct frame {
	uint64_t previous, executable;
	int32_t instr, line; /* as up to 3.10; one word from 3.11 on */
};

static struct frame frames[N_FRAMES];
static uint64_t cframe[2], tstate[4];
static struct pyframe p;

static uint64_t raddr(const void *at)
{
	return (uintptr_t)at;
}

/* The thread points at the innermost frame, or at what points at it. */
static void frames_make(unsigned int n, bool has_cframe, uint8_t lasti_unit)
{
	p.layout = (struct pyframe_layout){
		.has_cframe = has_cframe,
		.lasti_unit = lasti_unit,
		.thread_frame = 16,
		.cframe_frame = 8,
		.frame_previous = offsetof(struct frame, previous),
		.frame_executable = offsetof(struct frame, executable),
		.frame_instr = offsetof(struct frame, instr),
	};
	for (unsigned int i = 0; i < n; i++)
		frames[i] = (struct frame){
			.previous = i + 1 < n ? raddr(&frames[i + 1]) : 0,
			.executable = 4096 + i,
			.instr = (int32_t)i * 2,
		};
	cframe[1] = n ? raddr(&frames[0]) : 0;
	tstate[2] = has_cframe ? raddr(cframe) : cframe[1];
}

static bool is_same(const struct spot *spot)
{
	return spot_is_same(&p, raddr(tstate), spot);
}

static void test_what_differs(void **state)
{
	struct spot spot;

	(void)state;
	for (unsigned int has_cframe = 0; has_cframe < 2; has_cframe++) {
		frames_make(5, has_cframe, 0);
		spot_take(&p, raddr(tstate), &spot);
		assert_int_equal(spot.n_links, 5);
		assert_true(is_same(&spot));
		for (unsigned int i = 0; i < 5; i++) {
			frames[i].executable++;
			assert_false(is_same(&spot));
			frames[i].executable--;
			frames[i].instr++;
			assert_false(is_same(&spot));
			frames[i].instr--;
			assert_true(is_same(&spot));
		}
	}
}

static void test_another_length(void **state)
{
	struct spot spot;

	(void)state;
	frames_make(5, false, 0);
	spot_take(&p, raddr(tstate), &spot);
	frames[4].previous = raddr(&frames[5]);
	frames[5] = (struct frame){.executable = 7};
	assert_false(is_same(&spot));
	frames_make(4, false, 0);
	assert_false(is_same(&spot));
	frames_make(0, false, 0);
	assert_false(is_same(&spot));
	assert_int_equal(spot_head(&p, raddr(tstate)), 0);
	spot_take(&p, raddr(tstate), &spot);
	assert_false(is_same(&spot));
}

static void test_the_line_is_no_part_of_it(void **state)
{
	struct spot spot;
	uint64_t head;

	(void)state;
	frames_make(3, false, 1);
	spot_take(&p, raddr(tstate), &spot);
	head = spot_head(&p, raddr(tstate));
	frames[0].line = frames[1].line = 17;
	assert_true(is_same(&spot));
	assert_int_equal(spot_head(&p, raddr(tstate)), head);
	frames[0].instr = -1;
	assert_false(is_same(&spot));
	assert_int_not_equal(spot_head(&p, raddr(tstate)), head);
}

static void test_too_deep(void **state)
{
	struct spot spot;

	(void)state;
	frames_make(SPOT_MAX_LINKS, false, 0);
	spot_take(&p, raddr(tstate), &spot);
	assert_true(is_same(&spot));
	frames_make(SPOT_MAX_LINKS + 1, false, 0);
	assert_false(is_same(&spot));
	spot_take(&p, raddr(tstate), &spot);
	assert_false(is_same(&spot));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_differs),
		cmocka_unit_test(test_another_length),
		cmocka_unit_test(test_the_line_is_no_part_of_it),
		cmocka_unit_test(test_too_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
