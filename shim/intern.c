/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings in the region's arena, each once
 *
 * A table from the 64-bit hash of a string to its offset in the arena. Loop threads and the
 * watchdog use it at once, without a lock: an entry is claimed by storing the hash (compare and
 * swap) and filled in by storing the offset. Who meets an entry that is claimed but not filled
 * appends a second copy of the string, which costs some bytes and nothing else; so does who finds
 * no free entry near. Two strings of equal hash are taken for one: of 100,000 strings that happens
 * once in 3e9 programs.
 */
#include <stdatomic.h>
#include <string.h>

#include "intern.h"
#include "watch.h"
#include "wire/arena.h"

/* More strings than fit into the arena (512 KiB of paths and names), at 16 bytes each. */
#define INTERN_N_ENTRIES 8192
/* Longer searches mean a table so full that another copy is cheaper. */
#define INTERN_MAX_PROBES 16

struct intern_entry {
	_Atomic uint64_t hash;	 /* 0: free */
	_Atomic uint32_t offset; /* ARENA_NONE: claimed, not filled yet */
};

static struct intern_entry entries[INTERN_N_ENTRIES];

/* FNV-1a, 64 bits, finished by a multiply-and-shift, since the table uses the low bits. */
static uint64_t intern_hash(const char *text, size_t length)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
	hash ^= hash >> 32;
	hash *= UINT64_C(0xd6e8feb86659fd93);
	hash ^= hash >> 32;
	return hash ? hash : 1;
}

static uint32_t intern_append(const char *text, size_t length)
{
	uint32_t offset = arena_append(&watch.region, text, length);

	if (offset == ARENA_NONE)
		watch_lost(LOSS_ARENA_FULL);
	return offset;
}

/* Return: the string's offset in the arena; ARENA_NONE for an empty one and when it is full. */
_hidden_ uint32_t intern(const char *text, size_t length)
{
	uint64_t hash;

	if (!length)
		return ARENA_NONE;
	hash = intern_hash(text, length);
	for (unsigned int i = 0; i < INTERN_MAX_PROBES; i++) {
		struct intern_entry *entry = &entries[(hash + i) % INTERN_N_ENTRIES];
		uint64_t found = 0;
		uint32_t offset;

		if (atomic_compare_exchange_strong_explicit(&entry->hash, &found, hash,
							    memory_order_relaxed,
							    memory_order_relaxed)) {
			offset = intern_append(text, length);
			atomic_store_explicit(&entry->offset, offset, memory_order_release);
			return offset;
		}
		if (found == hash) {
			offset = atomic_load_explicit(&entry->offset, memory_order_acquire);
			return offset != ARENA_NONE ? offset : intern_append(text, length);
		}
	}
	return intern_append(text, length);
}

/*
 * A text that belongs to one incident, so that there may be any number of different ones: kept
 * while more than half of the arena is left for the names of code.
 */
_hidden_ uint32_t intern_detail(const char *text, size_t length)
{
	uint32_t used_bytes =
		atomic_load_explicit(&watch.region.arena->used_bytes, memory_order_relaxed);

	return used_bytes < REGION_ARENA_BYTES / 2 ? intern(text, length) : ARENA_NONE;
}

/* An interned string, where it lies; its length is what the other side left of it, within bounds.
 */
_hidden_ const char *intern_text(uint32_t offset, size_t *ret_length)
{
	const unsigned char *at = (const unsigned char *)watch.region.arena + offset;
	uint16_t length;

	*ret_length = 0;
	if (offset < sizeof(*watch.region.arena) || offset > REGION_ARENA_BYTES - ARENA_MAX_STRING)
		return "";
	memcpy(&length, at, sizeof(length));
	*ret_length = MIN(length, ARENA_MAX_STRING - sizeof(length));
	return (const char *)at + sizeof(length);
}

_hidden_ void intern_forget(void)
{
	memset(entries, 0, sizeof(entries));
}
