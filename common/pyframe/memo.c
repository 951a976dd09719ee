/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memo: what an instruction of a code object was called when it was last described
 *
 * A program that blocks does so in the same few places again and again. To describe a frame costs
 * strings to copy and a line table to search, and, for who keeps the strings, a look-up of each; a
 * memo costs a look at the code object. It maps (code object, instruction) to the line and to two
 * numbers of the caller's, and holds no string itself.
 *
 * A code object can be freed and another one made at its address. What the two do not share is
 * compared each time: first line, file name, function name, line table and its length. The names
 * are compared as objects, by address: a second module compiled from the same file has another
 * file name object as a rule, and then its frames are described anew, which gives the same.
 *
 * The table is two-way and of fixed size; a third one that wants the same place takes the first
 * one's. Threads may use it at the same time, and none waits: an entry is a sequence lock, where a
 * reader that meets a writer has not found it, and a writer that meets another gives up. word 0
 * holds the sequence number, odd while it is written, and the line, so that both become visible
 * with the release store that ends writing; it pairs with the acquire load in memo_load().
 *
 * Called where frames are described: by the own thread on return of a slow call, and by the
 * watchdog. In a fork child an entry may stay odd, which is a place lost and no more.
 */
#include <string.h>

#include "pyframe/code.h"
#include "pyframe/memo.h"

/* Code objects read in one call of the kernel; what they need lies on the stack, 5 KB. */
#define MEMO_MAX_BATCH 16

enum {
	MEMO_SEQUENCE, /* high half; the line is the low one */
	MEMO_CODE,
	MEMO_LASTI,
	MEMO_FILENAME,
	MEMO_FUNCTION,
	MEMO_LINETABLE,
	MEMO_TABLE_BYTES_FIRST_LINE,
	MEMO_IDS,
};

#define MEMO_IS_WRITTEN (UINT64_C(1) << 32)

static uint64_t memo_pair(uint32_t high, uint32_t low)
{
	return (uint64_t)high << 32 | low;
}

static uint32_t memo_place(const struct memo *memo, const struct pyframe_addr *addr)
{
	uint64_t hash = (addr->code_raddr >> 4 ^ addr->lasti << 20) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t)(hash >> 32) & (memo->n_entries - 1);
}

/* Return: false when somebody writes it. */
static bool memo_load(const struct memo_entry *entry, uint64_t ret_words[static MEMO_ENTRY_WORDS])
{
	ret_words[0] = atomic_load_explicit(&entry->words[0], memory_order_acquire);
	if (ret_words[0] & MEMO_IS_WRITTEN)
		return false;
	for (int i = 1; i < MEMO_ENTRY_WORDS; i++)
		ret_words[i] = atomic_load_explicit(&entry->words[i], memory_order_relaxed);
	/* The words were read before word 0 is read again: a writer who changed them shows there.
	 */
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&entry->words[0], memory_order_relaxed) == ret_words[0];
}

static void memo_store(struct memo_entry *entry, const uint64_t words[static MEMO_ENTRY_WORDS],
		       int32_t line, bool *ret_is_stored)
{
	uint64_t before = atomic_load_explicit(&entry->words[0], memory_order_relaxed);
	uint32_t sequence = (uint32_t)(before >> 32);

	*ret_is_stored = !(before & MEMO_IS_WRITTEN) &&
			 atomic_compare_exchange_strong_explicit(
				 &entry->words[0], &before, before + MEMO_IS_WRITTEN,
				 memory_order_acquire, memory_order_relaxed);
	if (!*ret_is_stored)
		return;
	/* Whoever sees one of these words sees word 0 odd too; pairs with the fence in
	 * memo_load(). */
	atomic_thread_fence(memory_order_release);
	for (int i = 1; i < MEMO_ENTRY_WORDS; i++)
		atomic_store_explicit(&entry->words[i], words[i], memory_order_relaxed);
	atomic_store_explicit(&entry->words[0], memo_pair(sequence + 2, (uint32_t)line),
			      memory_order_release);
}

/* All but word 0, which is the entry's own, and what the caller gave. */
static void memo_key(const struct memo_name *name, uint64_t ret_words[static MEMO_ENTRY_WORDS])
{
	ret_words[MEMO_SEQUENCE] = 0;
	ret_words[MEMO_CODE] = name->addr.code_raddr;
	ret_words[MEMO_LASTI] = name->addr.lasti;
	ret_words[MEMO_FILENAME] = name->filename_raddr;
	ret_words[MEMO_FUNCTION] = name->function_raddr;
	ret_words[MEMO_LINETABLE] = name->linetable_raddr;
	ret_words[MEMO_TABLE_BYTES_FIRST_LINE] =
		memo_pair(name->linetable_bytes, (uint32_t)name->first_line);
	ret_words[MEMO_IDS] = memo_pair(name->file_id, name->function_id);
}

static bool memo_is_key(const uint64_t *words, const uint64_t *key)
{
	return !memcmp(&words[MEMO_CODE], &key[MEMO_CODE],
		       (MEMO_IDS - MEMO_CODE) * sizeof(words[0]));
}

static void memo_take_entry(const uint64_t words[static MEMO_ENTRY_WORDS], struct memo_name *name)
{
	name->is_known = true;
	name->line = (int32_t)(uint32_t)words[MEMO_SEQUENCE];
	name->file_id = (uint32_t)(words[MEMO_IDS] >> 32);
	name->function_id = (uint32_t)words[MEMO_IDS];
}

static void memo_find(const struct memo *memo, struct memo_name *name)
{
	uint64_t words[MEMO_ENTRY_WORDS], key[MEMO_ENTRY_WORDS];
	uint32_t place = memo_place(memo, &name->addr);

	memo_key(name, key);
	for (uint32_t way = 0; way < 2; way++) {
		if (!memo_load(&memo->entries[place ^ way], words) || !memo_is_key(words, key))
			continue;
		memo_take_entry(words, name);
		return;
	}
}

static void memo_take_fields(const struct code_fields *fields, uint64_t linetable_bytes,
			     struct memo_name *name)
{
	name->filename_raddr = fields->filename_raddr;
	name->function_raddr = fields->function_raddr;
	name->linetable_raddr = fields->linetable_raddr;
	name->first_line = fields->first_line;
	name->linetable_bytes = (uint32_t)linetable_bytes;
	name->is_code = true;
}

static void memo_identify_one(const struct pyframe *p, const struct mem *mem,
			      struct memo_name *name)
{
	struct code_fields fields;
	uint64_t n_bytes;

	if (code_read(p, mem, name->addr.code_raddr, &fields) < 0)
		return;
	if (mem_read(mem, fields.linetable_raddr + p->layout.bytes_size, &n_bytes, 8) < 0)
		return;
	memo_take_fields(&fields, n_bytes, name);
}

/* Some names at once: their code objects in one call, the lengths of their line tables in another.
 * Return: how many it was possible for; the one behind them may be unreadable. */
static uint32_t memo_identify_batch(const struct pyframe *p, const struct mem *mem,
				    struct memo_name *names, uint32_t n_names)
{
	uint8_t bytes[MEMO_MAX_BATCH * LAYOUT_MAX_CODE_BYTES];
	uint64_t raddrs[MEMO_MAX_BATCH], words[MEMO_MAX_BATCH];
	struct code_fields fields[MEMO_MAX_BATCH];
	struct iovec ranges[MEMO_MAX_BATCH];
	uint32_t span = p->layout.code_span_bytes;
	size_t n_read = 0;
	uint32_t n;

	for (n = 0; n < n_names; n++)
		ranges[n] = (struct iovec){(void *)(uintptr_t)names[n].addr.code_raddr, span};
	if (mem_read_ranges_remote(mem, ranges, n_names, bytes, &n_read) < 0)
		return 0;
	for (n = 0; n < n_read / span && n < n_names; n++) {
		if (code_parse(p, bytes + (size_t)n * span, &fields[n]) < 0)
			break;
		raddrs[n] = fields[n].linetable_raddr + p->layout.bytes_size;
	}
	if (mem_read_words_remote(mem, raddrs, words, n, &n_read) < 0)
		return 0;
	for (n = 0; n < n_read; n++)
		memo_take_fields(&fields[n], words[n], &names[n]);
	return n;
}

static void memo_identify(const struct pyframe *p, const struct mem *mem, struct memo_name *names,
			  uint32_t n_names)
{
	uint32_t i = 0;

	while (i < n_names && mem->kind != MEM_SELF) {
		uint32_t n_batch = MIN(n_names - i, (uint32_t)MEMO_MAX_BATCH);
		uint32_t n = memo_identify_batch(p, mem, &names[i], n_batch);

		/* What stopped it is passed over: it is no code object. */
		i += n < n_batch ? n + 1 : n;
	}
	for (; i < n_names; i++)
		memo_identify_one(p, mem, &names[i]);
}

/**
 * memo_recall() - What is remembered of the frames of a stack
 *
 * With MEM_SELF the frames must be of the calling thread. Names whose is_code is false stand for
 * frames whose code object is gone: describing them will fail too.
 */
void memo_recall(const struct memo *memo, const struct pyframe *p, const struct mem *mem,
		 const struct pyframe_addr *frames, uint32_t n_frames, struct memo_name *ret_names)
{
	for (uint32_t i = 0; i < n_frames; i++)
		ret_names[i] = (struct memo_name){.addr = frames[i]};
	memo_identify(p, mem, ret_names, n_frames);
	for (uint32_t i = 0; i < n_frames; i++)
		if (ret_names[i].is_code)
			memo_find(memo, &ret_names[i]);
}

/**
 * memo_recall_last() - What was remembered last of an instruction, without a look at its code
 * object
 *
 * For memory that is gone for good. A code object that was freed and followed by another one at the
 * same address, with the same instruction, in the time since it was remembered, cannot be told.
 */
bool memo_recall_last(const struct memo *memo, struct memo_name *name)
{
	uint64_t words[MEMO_ENTRY_WORDS];
	uint32_t place = memo_place(memo, &name->addr);

	for (uint32_t way = 0; way < 2 && !name->is_known; way++) {
		if (!memo_load(&memo->entries[place ^ way], words) ||
		    words[MEMO_CODE] != name->addr.code_raddr ||
		    words[MEMO_LASTI] != name->addr.lasti)
			continue;
		memo_take_entry(words, name);
		name->first_line = (int32_t)(uint32_t)words[MEMO_TABLE_BYTES_FIRST_LINE];
	}
	return name->is_known;
}

/**
 * memo_remember() - Keep the line and the ids that name got
 *
 * name is one of memo_recall()'s, described since then. The code object is looked at once more: it
 * is the same before and after, so what was described in between was it.
 */
bool memo_remember(const struct memo *memo, const struct pyframe *p, const struct mem *mem,
		   const struct memo_name *name)
{
	uint32_t place = memo_place(memo, &name->addr);
	struct memo_name again = {.addr = name->addr};
	uint64_t key[MEMO_ENTRY_WORDS], again_key[MEMO_ENTRY_WORDS];
	bool is_stored;

	memo_identify_one(p, mem, &again);
	memo_key(name, key);
	memo_key(&again, again_key);
	if (!name->is_code || !again.is_code || !memo_is_key(key, again_key))
		return false;
	/* The second place if the first is taken and it is free; else the first. */
	if (atomic_load_explicit(&memo->entries[place].words[MEMO_CODE], memory_order_relaxed) &&
	    !atomic_load_explicit(&memo->entries[place ^ 1].words[MEMO_CODE], memory_order_relaxed))
		place ^= 1;
	memo_store(&memo->entries[place], key, name->line, &is_stored);
	return is_stored;
}
