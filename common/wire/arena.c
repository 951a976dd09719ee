/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arena, the writer's side
 *
 * Room is taken with one fetch_add, so threads and signal handlers never wait for each other. A
 * string becomes known to a reader through the record that names it, whose commit is a release
 * store; no order is needed here. Since strings stay, a daemon that starts again reads them all.
 * The length is written last: who copies the arena sees by it which strings are still being
 * written.
 *
 * The other side can write the counter too: whatever it says, nothing is written outside the arena.
 */
#include <string.h>

#include "base/defs.h"
#include "wire/arena.h"

/* What a string takes: its length, its bytes and a NUL. */
static uint32_t string_bytes(uint16_t stored)
{
	return (uint32_t)(sizeof(stored) + stored + 1 + 3) & ~3u;
}

static uint16_t *length_at(const struct region *region, uint32_t offset)
{
	return (uint16_t *)((unsigned char *)region->arena + offset);
}

/*
 * Append a string, cut at ARENA_MAX_STRING bytes.
 *
 * Return: its offset; ARENA_NONE for an empty one and when the arena is full.
 */
uint32_t arena_append(const struct region *region, const char *text, size_t length)
{
	uint16_t stored = (uint16_t)MIN(length, ARENA_MAX_STRING);
	uint32_t need = string_bytes(stored);
	uint32_t offset;

	if (!length)
		return ARENA_NONE;
	/* Looked at first, so that a full arena is not counted up until it wraps. */
	offset = atomic_load_explicit(&region->arena->used_bytes, memory_order_relaxed);
	if ((uint64_t)offset + need > REGION_ARENA_BYTES)
		return ARENA_NONE;
	offset = atomic_fetch_add_explicit(&region->arena->used_bytes, need, memory_order_relaxed);
	if ((uint64_t)offset + need > REGION_ARENA_BYTES || offset < sizeof(*region->arena) ||
	    offset % 4)
		return ARENA_NONE;
	memcpy((unsigned char *)region->arena + offset + sizeof(stored), text, stored);
	__atomic_store_n(length_at(region, offset), stored, __ATOMIC_RELEASE);
	return offset;
}

/*
 * How far the arena is finished, from the beginning of a string on: to the first that is not, or
 * to its end.
 */
uint32_t arena_finished(const struct region *region, uint32_t from)
{
	uint32_t used = atomic_load_explicit(&region->arena->used_bytes, memory_order_acquire);

	/* Strings begin at multiples of 4, whatever the other side wrote. */
	used = MIN(used, REGION_ARENA_BYTES) & ~3u;
	while (from + sizeof(uint16_t) <= used) {
		uint16_t stored = __atomic_load_n(length_at(region, from), __ATOMIC_ACQUIRE);

		if (!stored)
			return from;
		from += string_bytes(stored);
	}
	return MIN(from, used);
}
