/* SPDX-License-Identifier: Apache-2.0 */
/* Dict: tables made by hand, in both layouts, that are whole, shared, huge, or garbage */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/defs.h"
#include "pyframe/dict.h"

#define N_ENTRIES 683 /* two thirds of 1024 */
#define KEY(i)	  (0x10000 + (uint64_t)(i)*16)
#define VALUE(i)  (0x20000 + (uint64_t)(i)*16)

static uint64_t dict[6];
static uint64_t table[5 + 1024 * 2 / 8 + N_ENTRIES * 3];
static struct mem mem = {.kind = MEM_REMOTE};

static uint64_t raddr(const void *at)
{
	return (uintptr_t)at;
}

/* Return: the entries. */
static uint64_t *table_init(unsigned int minor, unsigned int log2_size, uint64_t n_entries)
{
	unsigned int log2_index = log2_size > 8 ? log2_size + 1 : log2_size;
	size_t head_words = minor >= 11 ? 4 : 5;

	memset(dict, 0, sizeof(dict));
	memset(table, 0, sizeof(table));
	dict[4] = raddr(table);
	table[0] = 1;
	/* 3.8 sees sizes up to 255 as one byte each, 3.11 says how many there are. */
	table[1] = minor >= 11 ? log2_size | log2_index << 8 : UINT64_C(1) << log2_size;
	table[head_words - 1] = n_entries;
	return table + head_words + ((size_t)1 << log2_index) / 8;
}

static void entries_fill(uint64_t *entries, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		entries[i * 3] = i;
		entries[i * 3 + 1] = KEY(i);
		entries[i * 3 + 2] = VALUE(i);
	}
}

static struct pyframe pyframe_of(unsigned int minor)
{
	return (struct pyframe){.layout = {.minor = (uint8_t)minor}};
}

static int find(unsigned int minor, uint64_t key_raddr, uint64_t *ret_value_raddr)
{
	struct pyframe p = pyframe_of(minor);

	*ret_value_raddr = 1;
	return dict_find(&p, &mem, raddr(dict), key_raddr, ret_value_raddr);
}

static void assert_found(unsigned int minor, uint64_t key_raddr, uint64_t expected_raddr)
{
	uint64_t value_raddr;

	assert_int_equal(find(minor, key_raddr, &value_raddr), 0);
	assert_int_equal(value_raddr, expected_raddr);
}

static void test_find(void **state)
{
	static const unsigned int log2_sizes[] = {3, 7, 10};
	static const size_t n_entries[] = {5, 85, N_ENTRIES};

	(void)state;
	for (unsigned int minor = 8; minor <= 13; minor++)
		for (size_t i = 0; i < ARRAY_LEN(log2_sizes); i++) {
			size_t n = n_entries[i];

			entries_fill(table_init(minor, log2_sizes[i], n), n);
			for (size_t k = 0; k < n; k++)
				assert_found(minor, KEY(k), VALUE(k));
			assert_found(minor, KEY(n), 0);
		}
}

/* A key that was taken out and put in again: the entry in use is the later one. */
static void test_deleted(void **state)
{
	(void)state;
	for (unsigned int minor = 8; minor <= 13; minor++) {
		uint64_t *entries = table_init(minor, 3, 3);

		entries_fill(entries, 3);
		entries[1] = entries[2] = 0;
		assert_found(minor, KEY(0), 0);
		entries[7] = KEY(0);
		assert_found(minor, KEY(0), VALUE(2));
	}
}

/* With string keys there is no hash in an entry, with shared ones no value. */
static void test_other_kinds(void **state)
{
	uint64_t value_raddr;

	(void)state;
	entries_fill(table_init(12, 3, 5), 5);
	table[1] |= 1 << 16;
	assert_found(12, KEY(0), 0);
	entries_fill(table_init(12, 3, 5), 5);
	dict[5] = raddr(table);
	assert_int_equal(find(12, KEY(0), &value_raddr), -EINVAL);
	assert_int_equal(value_raddr, 1);
}

static void test_garbage(void **state)
{
	uint64_t value_raddr;

	(void)state;
	for (unsigned int minor = 8; minor <= 13; minor++) {
		entries_fill(table_init(minor, 3, UINT64_MAX), 5);
		assert_int_equal(find(minor, KEY(0), &value_raddr), -EINVAL);
		entries_fill(table_init(minor, 3, 5), 5);
		table[1] = UINT64_MAX;
		assert_int_equal(find(minor, KEY(0), &value_raddr), -EINVAL);
		table_init(minor, 3, 5);
		dict[4] = 8;
		assert_int_equal(find(minor, KEY(0), &value_raddr), -EFAULT);
		assert_int_equal(find(minor, 0, &value_raddr), -ENOSYS);
		assert_int_equal(value_raddr, 1);
	}
	assert_int_equal(find(14, KEY(0), &value_raddr), -ENOSYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_deleted),
		cmocka_unit_test(test_other_kinds),
		cmocka_unit_test(test_garbage),
	};

	mem.pid = getpid();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
