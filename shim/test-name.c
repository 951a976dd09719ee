/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test that runs
 *
 * pytest (3.2 on) puts the node that runs into PYTEST_CURRENT_TEST, "tests/test_a.py::test_x
 * (call)", for each phase of each test, and takes it away after the last; its own unittest runner
 * and the workers of xdist do so too. os.environ ends in setenv() (CPython 3.9 on,
 * Modules/posixmodule.c, os_putenv) or putenv() (3.8), so the value is copied as it passes by:
 * getenv() beside a setenv() reads freed memory.
 *
 * Nothing is written for a test in which nothing was slow. A record of the name goes into the ring
 * before the first record after a change; it holds for those behind it. The name stands in the
 * record itself: a suite of ten thousand tests would fill the arena.
 *
 * One writer at a time, and readers that look again when it wrote meanwhile: n_changes is odd while
 * the text is written. A second writer at the same time, which only a program of many threads that
 * all set the variable would have, is not heard. Nobody waits.
 *
 * The name that a child was started with is not taken: a server that a fixture starts outlives the
 * test it was started in.
 */
#include <errno.h>
#include <string.h>

#include "emit.h"
#include "test-name.h"
#include "wire/ring.h"

#define TEST_VARIABLE "PYTEST_CURRENT_TEST"
/* A writer copies 500 bytes; whoever reads four times while somebody writes gives up. */
#define TEST_N_READS 4

static char test_text[RECORD_TEST_BYTES];
static _Atomic uint32_t n_changes;
/* The state of n_changes that the ring has been told. */
static _Atomic uint32_t n_told;

static void test_name_set(const char *text, size_t length)
{
	uint32_t n = atomic_load_explicit(&n_changes, memory_order_relaxed);

	if (n & 1 || !atomic_compare_exchange_strong_explicit(
			     &n_changes, &n, n + 1, memory_order_acquire, memory_order_relaxed))
		return;
	length = MIN(length, sizeof(test_text) - 1);
	memcpy(test_text, text, length);
	memset(test_text + length, 0, sizeof(test_text) - length);
	/* Pairs with the acquire in test_name_read(). */
	atomic_store_explicit(&n_changes, n + 2, memory_order_release);
}

/* Return: the state of n_changes that the copy is of; 1 when there is none. */
static uint32_t test_name_read(char text[RECORD_TEST_BYTES])
{
	for (unsigned int i = 0; i < TEST_N_READS; i++) {
		uint32_t n = atomic_load_explicit(&n_changes, memory_order_acquire);

		if (n & 1)
			continue;
		memcpy(text, test_text, RECORD_TEST_BYTES);
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&n_changes, memory_order_relaxed) == n)
			return n;
	}
	return 1;
}

static _cold_ void test_name_tell(uint32_t told)
{
	struct record_test *record;
	char text[RECORD_TEST_BYTES];
	uint32_t n = test_name_read(text);

	if (n == 1 || !atomic_compare_exchange_strong(&n_told, &told, n))
		return;
	record = (struct record_test *)ring_reserve(&watch.region, sizeof(*record));
	if (!record) {
		/* The record that follows finds no room either; the next one tells again. */
		atomic_store(&n_told, told);
		return;
	}
	record->head.type = RECORD_TEST;
	record->head.flags = 0;
	record->head.ticks = clock_ticks_kernel(watch.clock_kind);
	memcpy(record->text, text, sizeof(record->text));
	ring_commit(&record->head, sizeof(*record));
}

/* Before a record that somebody may be blamed by: tell which test it belongs to, if that is new. */
_hidden_ void test_name_emit(void)
{
	uint32_t told = atomic_load_explicit(&n_told, memory_order_relaxed);

	if (unlikely(atomic_load_explicit(&n_changes, memory_order_relaxed) != told))
		test_name_tell(told);
}

/* In a fork child. */
_hidden_ void test_name_forget(void)
{
	memset(test_text, 0, sizeof(test_text));
	atomic_store(&n_changes, 0);
	atomic_store(&n_told, 0);
}

static bool is_test(const char *name)
{
	return unlikely(name && *name == 'P') && !strcmp(name, TEST_VARIABLE);
}

_export_ int setenv(const char *name, const char *value, int overwrite)
{
	int r = REAL(setenv)(name, value, overwrite);

	if (!r && overwrite && is_test(name))
		test_name_set(value, strlen(value));
	return r;
}

_export_ int unsetenv(const char *name)
{
	int r = REAL(unsetenv)(name);

	if (!r && is_test(name))
		test_name_set("", 0);
	return r;
}

_export_ int putenv(char *setting)
{
	static const char start[] = TEST_VARIABLE "=";
	int r = REAL(putenv)(setting);

	if (!r && !strncmp(setting, start, sizeof(start) - 1))
		test_name_set(setting + sizeof(start) - 1, strlen(setting + sizeof(start) - 1));
	/* Without a value it is taken away (glibc 2.36, stdlib/putenv.c). */
	else if (!r && is_test(setting))
		test_name_set("", 0);
	return r;
}
