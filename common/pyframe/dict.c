/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dict: a look-up by address
 *
 * A dict points at its table: a head, then indices, then the entries in the order in which they
 * were put in, each a hash, a key and a value. Keys are compared by address, and no hash is looked
 * at, so every entry is; the dicts read here hold a handful (PyDictObject of Include/cpython/
 * dictobject.h; struct _dictkeysobject of Objects/dict-common.h, 3.8 to 3.10, and of
 * Include/internal/pycore_dict.h, 3.11 to 3.13). Tables without hashes are for string keys (3.11
 * on), tables shared by instances of a class have their values elsewhere: neither holds the key.
 *
 * A table that has no room left is freed and a larger one takes its place, at any moment. So the
 * pointer to it is read before and after: when it was the same and so was the number of entries,
 * what was read is what the dict held. That a table was freed and another one of as many entries
 * made at the same address in between stays possible: what is found must be checked by the caller.
 */
#include <errno.h>

#include "pyframe/dict.h"

#define DICT_KEYS   32 /* ma_keys */
#define DICT_VALUES 40 /* ma_values: of a table that is shared */

/* A thread has one loop that runs a task; nobody has thousands of these. */
#define DICT_MAX_ENTRIES 4096
#define DICT_MAX_PASSES	 3
#define DICT_PIECE	 16

struct dict_entry {
	uint64_t hash;
	uint64_t key_raddr;
	uint64_t value_raddr;
};

/* dk_log2_size, dk_log2_index_bytes and dk_kind lie in the word behind the reference count. */
struct dict_head_3_11 {
	uint64_t references;
	uint8_t log2_size;
	uint8_t log2_index_bytes;
	uint8_t kind; /* 0: the keys are of any type */
	uint8_t more[5];
	uint64_t usable;
	uint64_t n_entries;
};

struct dict_head_3_8 {
	uint64_t references;
	uint64_t size;
	uint64_t lookup;
	uint64_t usable;
	uint64_t n_entries;
};

struct dict_table {
	uint64_t entries_raddr;
	uint64_t n_entries;
};

static int dict_open_3_11(const struct mem *mem, uint64_t keys_raddr, struct dict_table *ret_table)
{
	struct dict_head_3_11 head;
	int r = mem_read(mem, keys_raddr, &head, sizeof(head));

	if (r < 0)
		return r;
	if (head.log2_index_bytes > 40)
		return -EINVAL;
	ret_table->entries_raddr =
		keys_raddr + sizeof(head) + (UINT64_C(1) << head.log2_index_bytes);
	ret_table->n_entries = head.kind ? 0 : head.n_entries;
	return 0;
}

static int dict_open_3_8(const struct mem *mem, uint64_t keys_raddr, struct dict_table *ret_table)
{
	struct dict_head_3_8 head;
	int r = mem_read(mem, keys_raddr, &head, sizeof(head));
	uint64_t index_bytes;

	if (r < 0)
		return r;
	/* An index is as wide as the size needs. */
	index_bytes = head.size <= 0xff ? 1 : head.size <= 0xffff ? 2 : 4;
	if (head.size > UINT32_MAX)
		return -EINVAL;
	ret_table->entries_raddr = keys_raddr + sizeof(head) + head.size * index_bytes;
	ret_table->n_entries = head.n_entries;
	return 0;
}

static int dict_open(const struct pyframe *p, const struct mem *mem, uint64_t keys_raddr,
		     struct dict_table *ret_table)
{
	int r = p->layout.minor >= 11 ? dict_open_3_11(mem, keys_raddr, ret_table)
				      : dict_open_3_8(mem, keys_raddr, ret_table);

	if (r == 0 && ret_table->n_entries > DICT_MAX_ENTRIES)
		return -EINVAL;
	return r;
}

static int dict_search(const struct mem *mem, const struct dict_table *table, uint64_t key_raddr,
		       uint64_t *ret_value_raddr)
{
	struct dict_entry entries[DICT_PIECE];
	uint64_t n;
	int r;

	*ret_value_raddr = 0;
	for (uint64_t at = 0; at < table->n_entries; at += n) {
		n = MIN(table->n_entries - at, (uint64_t)ARRAY_LEN(entries));
		r = mem_read(mem, table->entries_raddr + at * sizeof(entries[0]), entries,
			     n * sizeof(entries[0]));
		if (r < 0)
			return r;
		for (uint64_t i = 0; i < n; i++)
			if (entries[i].key_raddr == key_raddr)
				*ret_value_raddr = entries[i].value_raddr;
	}
	return 0;
}

/* One pass. Return: -EAGAIN when the table was another one afterwards. */
static int dict_pass(const struct pyframe *p, const struct mem *mem, uint64_t dict_raddr,
		     uint64_t key_raddr, uint64_t *ret_value_raddr)
{
	struct dict_table table, table_after;
	uint64_t keys_raddr, keys_after_raddr, values_raddr;
	int r, r_search;

	r = mem_read(mem, dict_raddr + DICT_KEYS, &keys_raddr, 8);
	if (r == 0)
		r = mem_read(mem, dict_raddr + DICT_VALUES, &values_raddr, 8);
	if (r < 0)
		return r;
	if (values_raddr)
		return -EINVAL;
	r_search = dict_open(p, mem, keys_raddr, &table);
	if (r_search == 0)
		r_search = dict_search(mem, &table, key_raddr, ret_value_raddr);
	r = mem_read(mem, dict_raddr + DICT_KEYS, &keys_after_raddr, 8);
	if (r < 0)
		return r;
	if (keys_after_raddr != keys_raddr)
		return -EAGAIN;
	if (r_search < 0)
		return r_search;
	r = dict_open(p, mem, keys_raddr, &table_after);
	if (r < 0)
		return r;
	return table_after.n_entries == table.n_entries ? 0 : -EAGAIN;
}

/**
 * dict_find() - The value of a key
 *
 * Return: 0, also when the key is not there; -EAGAIN when the dict did not hold still.
 */
int dict_find(const struct pyframe *p, const struct mem *mem, uint64_t dict_raddr,
	      uint64_t key_raddr, uint64_t *ret_value_raddr)
{
	uint64_t value_raddr = 0;
	int r = -EAGAIN;

	if (p->layout.minor > 13 || p->layout.is_free_threaded || !key_raddr)
		return -ENOSYS;
	for (int i = 0; i < DICT_MAX_PASSES && r == -EAGAIN; i++)
		r = dict_pass(p, mem, dict_raddr, key_raddr, &value_raddr);
	if (r == 0)
		*ret_value_raddr = value_raddr;
	return r;
}
