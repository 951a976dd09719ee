/* SPDX-License-Identifier: Apache-2.0 */
/* Layout: versions, and an interpreter's description of itself that is right, wrong, or garbage */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/defs.h"
#include "pyframe/pyframe.h"

#define VERSION_3_14	   0x030e00f0
#define OFFSETS_WORDS_3_14 (760 / 8)

/* A runtime that holds nothing but the description: no interpreter yet. */
struct runtime {
	uint64_t words[OFFSETS_WORDS_3_14];
	uint64_t rest[32];
};

/* struct _Py_DebugOffsets of 3.14, as offset of the field and its value. */
static const uint16_t offsets_3_14[][2] = {
	{24, 1000}, {40, 800},	{48, 7000}, {64, 0},	{72, 600},  {176, 824}, {192, 8},
	{200, 16},  {208, 72},	{216, 152}, {248, 88},	{256, 8},   {264, 0},	{272, 56},
	{288, 74},  {312, 216}, {320, 112}, {328, 120}, {336, 128}, {344, 136}, {352, 68},
	{384, 208}, {400, 16},	{408, 8},   {592, 40},	{600, 16},  {608, 32},	{616, 64},
	{624, 32},  {632, 16},	{640, 40},  {664, 200}, {672, 24},  {680, 72},	{280, 80},
	{296, 64},  {416, 416}, {424, 24},  {496, 200}, {512, 40},  {520, 32},	{688, 67},
};

static void runtime_init(struct runtime *runtime)
{
	memset(runtime, 0, sizeof(*runtime));
	memcpy(runtime->words, "xdebugpy", 8);
	runtime->words[1] = VERSION_3_14;
	for (size_t i = 0; i < ARRAY_LEN(offsets_3_14); i++)
		runtime->words[offsets_3_14[i][0] / 8] = offsets_3_14[i][1];
}

static int runtime_load(const struct runtime *runtime, uint32_t version_hex, struct pyframe *p)
{
	struct mem mem = {MEM_REMOTE, getpid()};

	return pyframe_init(&mem, (uintptr_t)runtime, version_hex, 0, p);
}

static void test_versions(void **state)
{
	static const uint32_t unknown[] = {0,	       0x020718f0, 0x030712f0, 0x031000f0,
					   0x040e00f0, 0x030e00a1, 0x030e00b4, 0x030900c1,
					   0x030c00c3, 0x030e0000};
	struct runtime runtime;
	struct pyframe p;

	(void)state;
	runtime_init(&runtime);
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
		assert_int_equal(runtime_load(&runtime, unknown[i], &p), PYFRAME_E_VERSION);
	memset(&runtime, 0, sizeof(runtime));
	for (uint32_t minor = 8; minor <= 12; minor++) {
		assert_int_equal(runtime_load(&runtime, 0x030000f0 | minor << 16, &p), 0);
		assert_int_equal(p.layout.minor, minor);
	}
	runtime_init(&runtime);
	runtime.words[1] = 0x030e00c1;
	assert_int_equal(runtime_load(&runtime, 0x030e00c1, &p), 0);
}

static void test_right(void **state)
{
	struct runtime runtime;
	struct pyframe p;

	(void)state;
	runtime_init(&runtime);
	assert_int_equal(runtime_load(&runtime, VERSION_3_14, &p), 0);
	assert_int_equal(p.layout.runtime_interpreters_head, 800);
	assert_int_equal(p.layout.thread_frame, 72);
	assert_int_equal(p.layout.thread_id, 152);
	assert_int_equal(p.layout.frame_owner, 74);
	assert_int_equal(p.layout.frame_span_bytes, 75);
	assert_int_equal(p.layout.code_bytecode, 208);
	assert_int_equal(p.layout.code_span_bytes, 144);
	assert_int_equal(p.layout.unicode_compact_bytes, 56);
	assert_int_equal(p.layout.gen_iframe, 72);
	assert_int_equal(p.layout.frame_tlbc_index, 0);
}

static void assert_refused(uint32_t at, uint64_t value)
{
	struct runtime runtime;
	struct pyframe p = {.runtime_raddr = 5};

	runtime_init(&runtime);
	runtime.words[at / 8] = value;
	assert_int_equal(runtime_load(&runtime, VERSION_3_14, &p), PYFRAME_E_OFFSETS);
	assert_int_equal(p.runtime_raddr, 5);
}

static void test_wrong(void **state)
{
	struct mem mem = {MEM_REMOTE, getpid()};
	struct pyframe p;

	(void)state;
	assert_refused(0, 0);			/* no cookie */
	assert_refused(8, VERSION_3_14 + 1);	/* another version's */
	assert_refused(16, 2);			/* neither free-threaded nor not */
	assert_refused(256, 88);		/* previous behind its frame */
	assert_refused(256, 12);		/* not aligned */
	assert_refused(272, UINT64_MAX - 7);	/* wraps round */
	assert_refused(248, UINT64_C(1) << 40); /* a frame of a terabyte */
	assert_refused(640, 100000);		/* a str header of that size */
	assert_int_equal(pyframe_init(&mem, 8, VERSION_3_14, 0, &p), -EFAULT);
}

static void test_links(void **state)
{
	struct runtime runtime;
	uint64_t interp[16] = {0}, thread[32] = {0};
	struct pyframe p;

	(void)state;
	runtime_init(&runtime);
	runtime.words[72 / 8] = 64; /* interp.threads_head */
	runtime.words[40 / 8] = 768;
	*(uint64_t *)((char *)&runtime + 768) = (uintptr_t)interp;
	interp[8] = (uintptr_t)thread;
	assert_int_equal(runtime_load(&runtime, VERSION_3_14, &p), PYFRAME_E_OFFSETS);
	thread[2] = (uintptr_t)interp;
	assert_int_equal(runtime_load(&runtime, VERSION_3_14, &p), 0);
	interp[8] = 16;
	assert_int_equal(runtime_load(&runtime, VERSION_3_14, &p), PYFRAME_E_OFFSETS);
	interp[8] = 0;
	assert_int_equal(runtime_load(&runtime, VERSION_3_14, &p), 0);
}

/* Whatever is accepted fits what the readers have room for. */
static void test_garbage(void **state)
{
	unsigned int seed = 11, n_accepted = 0;
	struct runtime runtime;
	struct pyframe p;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		runtime_init(&runtime);
		runtime.words[2] = round & 1;
		for (int i = rand_r(&seed) % 6; i > 0; i--) {
			size_t at = 3 + (size_t)rand_r(&seed) % (OFFSETS_WORDS_3_14 - 3);

			runtime.words[at] = rand_r(&seed) & 1 ? (uint64_t)rand_r(&seed) % 700
							      : (uint64_t)rand_r(&seed) << 34;
		}
		if (runtime_load(&runtime, VERSION_3_14, &p) != 0)
			continue;
		n_accepted++;
		assert_true(p.layout.frame_span_bytes <= LAYOUT_MAX_FRAME_BYTES);
		assert_true(p.layout.frame_previous + 8 <= p.layout.frame_span_bytes);
		assert_true(p.layout.frame_owner < p.layout.frame_span_bytes);
		assert_true(p.layout.thread_span_bytes <= LAYOUT_MAX_THREAD_BYTES);
		assert_true(p.layout.thread_id + 8 <= p.layout.thread_span_bytes);
		assert_true(p.layout.code_span_bytes <= LAYOUT_MAX_CODE_BYTES);
		assert_true(p.layout.code_linetable + 8 <= p.layout.code_span_bytes);
		assert_true(p.layout.object_type + 8 <= p.layout.code_span_bytes);
	}
	assert_true(n_accepted > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions), cmocka_unit_test(test_right),
		cmocka_unit_test(test_wrong),	 cmocka_unit_test(test_links),
		cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
