/* SPDX-License-Identifier: Apache-2.0 */
/* Memo: what is remembered, what makes it forget, and threads that use one memo at once */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/defs.h"
#include "pyframe/memo.h"

#define N_CODES	   40
#define N_ENTRIES  64
#define N_ROUNDS   40000
#define CODE_BYTES 256

/* Words of a code object of 3.12, and of bytes. */
#define WORD_TYPE      1
#define WORD_FILENAME  14
#define WORD_QUALNAME  16
#define WORD_LINETABLE 17
#define WORD_SIZE      2

static uint64_t code_type[4];
static uint64_t runtime[64];
static uint64_t codes[N_CODES][CODE_BYTES / 8];
static uint64_t tables[N_CODES][4];
static struct memo_entry entries[N_ENTRIES];
static struct memo memo = {entries, N_ENTRIES};
static struct pyframe pyframe;

static uint64_t raddr(const void *at)
{
	return (uintptr_t)at;
}

static struct pyframe_addr frame_of(size_t i)
{
	return (struct pyframe_addr){raddr(codes[i]), i * 2};
}

static void codes_init(void)
{
	memset(entries, 0, sizeof(entries));
	for (size_t i = 0; i < N_CODES; i++) {
		int32_t first_line = (int32_t)i;

		memset(codes[i], 0, sizeof(codes[i]));
		codes[i][0] = 1; /* reference */
		codes[i][WORD_TYPE] = raddr(code_type);
		codes[i][WORD_FILENAME] = 4096 + i;
		codes[i][WORD_QUALNAME] = 8192 + i;
		codes[i][WORD_LINETABLE] = raddr(tables[i]);
		memcpy((char *)codes[i] + 68, &first_line, sizeof(first_line));
		tables[i][WORD_SIZE] = 100 + i;
	}
}

static struct memo_name recall(const struct mem *mem, size_t i)
{
	struct pyframe_addr frame = frame_of(i);
	struct memo_name name;

	memo_recall(&memo, &pyframe, mem, &frame, 1, &name);
	return name;
}

static bool remember(const struct mem *mem, size_t i)
{
	struct memo_name name = recall(mem, i);

	name.file_id = (uint32_t)i + 1;
	name.function_id = (uint32_t)i + 2;
	name.line = (int32_t)i + 3;
	return memo_remember(&memo, &pyframe, mem, &name);
}

static void assert_name(const struct memo_name *name, size_t i)
{
	assert_true(name->is_code && name->is_known);
	assert_int_equal(name->file_id, i + 1);
	assert_int_equal(name->function_id, i + 2);
	assert_int_equal(name->line, i + 3);
	assert_int_equal(name->first_line, i);
}

static void check_recall(const struct mem *mem)
{
	struct pyframe_addr frames[N_CODES];
	struct memo_name names[N_CODES];
	unsigned int n_known = 0;

	codes_init();
	assert_false(recall(mem, 3).is_known);
	assert_true(remember(mem, 3));
	for (size_t i = 0; i < N_CODES; i++) {
		assert_true(remember(mem, i));
		frames[i] = frame_of(i);
	}
	codes[20][WORD_TYPE] = 0;
	memo_recall(&memo, &pyframe, mem, frames, N_CODES, names);
	for (size_t i = 0; i < N_CODES; i++) {
		assert_int_equal(names[i].is_code, i != 20);
		n_known += names[i].is_known;
		if (names[i].is_known)
			assert_name(&names[i], i);
	}
	assert_true(n_known > N_CODES / 2);
	assert_false(names[20].is_known);
	frames[0].lasti += 2;
	memo_recall(&memo, &pyframe, mem, frames, 1, names);
	assert_true(names[0].is_code && !names[0].is_known);
	assert_false(memo_recall_last(&memo, &names[0]));
}

/* Its memory is gone: what it was called last is what is known. */
static void test_recall_last(void **state)
{
	struct mem self = {.kind = MEM_SELF};
	struct memo_name name = {.addr = frame_of(7)};

	(void)state;
	codes_init();
	assert_false(memo_recall_last(&memo, &name));
	assert_true(remember(&self, 7));
	memset(codes[7], 0, sizeof(codes[7]));
	assert_false(recall(&self, 7).is_known);
	assert_true(memo_recall_last(&memo, &name));
	name.is_code = true;
	assert_name(&name, 7);
}

static void test_recall(void **state)
{
	struct mem self = {.kind = MEM_SELF}, remote = {MEM_REMOTE, getpid()};

	(void)state;
	check_recall(&self);
	check_recall(&remote);
}

/* Each of these words is another one when a code object has taken the place of an older one. */
static void test_reuse(void **state)
{
	static const size_t words[] = {WORD_FILENAME, WORD_QUALNAME, WORD_LINETABLE};
	struct mem self = {.kind = MEM_SELF};
	struct memo_name before;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words) + 2; i++) {
		codes_init();
		before = recall(&self, 3);
		assert_true(remember(&self, 3));
		assert_true(recall(&self, 3).is_known);
		if (i < ARRAY_LEN(words))
			codes[3][words[i]] = raddr(tables[i]);
		else if (i == ARRAY_LEN(words))
			tables[3][WORD_SIZE]++;
		else
			((int32_t *)codes[3])[68 / 4]++;
		assert_true(recall(&self, 3).is_code);
		assert_false(recall(&self, 3).is_known);
		/* What was described while it changed is of nobody knows which. */
		assert_false(memo_remember(&memo, &pyframe, &self, &before));
		assert_false(recall(&self, 3).is_known);
	}
	/* Freed: a link of the allocator's, or none, in the place of the count. */
	for (int i = 0; i < 2; i++) {
		codes_init();
		codes[3][0] = i ? raddr(codes) | UINT64_C(1) << 40 : 0;
		assert_false(recall(&self, 3).is_code);
	}
	codes_init();
	codes[3][WORD_TYPE] = 0;
	before = recall(&self, 3);
	assert_false(memo_remember(&memo, &pyframe, &self, &before));
}

/* Holes in memory: the frames before and behind them are found. */
static void test_unreadable(void **state)
{
	struct mem remote = {MEM_REMOTE, getpid()};
	struct pyframe_addr frames[5];
	struct memo_name names[5];

	(void)state;
	codes_init();
	for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
		assert_true(remember(&remote, i));
		frames[i] = frame_of(i);
	}
	frames[1].code_raddr = 64;
	codes[3][WORD_LINETABLE] = 64;
	memo_recall(&memo, &pyframe, &remote, frames, ARRAY_LEN(frames), names);
	for (size_t i = 0; i < ARRAY_LEN(frames); i++)
		assert_int_equal(names[i].is_known, i != 1 && i != 3);
}

static void *hammer(void *seed_at)
{
	struct mem self = {.kind = MEM_SELF};
	unsigned int seed = *(unsigned int *)seed_at;
	long n_known = 0;

	for (int round = 0; round < N_ROUNDS; round++) {
		size_t i = (seed = seed * 1103515245 + 12345) >> 16 & 31;
		struct memo_name name = recall(&self, i);

		if (name.is_known && (name.file_id != i + 1 || name.function_id != i + 2 ||
				      name.line != (int32_t)i + 3))
			return NULL;
		n_known += name.is_known;
		remember(&self, i);
	}
	return (void *)n_known;
}

static void test_threads(void **state)
{
	/* Four places for 32 codes: they never stop writing. */
	static const struct memo few = {entries, 4};
	unsigned int seeds[4] = {1, 2, 3, 4};
	pthread_t threads[4];
	void *n_known;

	(void)state;
	codes_init();
	memo = few;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, &seeds[i]), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		assert_int_equal(pthread_join(threads[i], &n_known), 0);
		assert_non_null(n_known);
	}
}

int main(void)
{
	struct mem remote = {MEM_REMOTE, getpid()};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recall),	cmocka_unit_test(test_recall_last),
		cmocka_unit_test(test_reuse),	cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_threads),
	};

	if (pyframe_init(&remote, raddr(runtime), 0x030c01f0, raddr(code_type), &pyframe))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
