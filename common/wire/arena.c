/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arena, the writer's side
 *
 * Room is taken with one fetch_add, so threads and signal handlers never wait for each other. A
 * string becomes known to a reader through the record that names it, whose commit is a release
 * store; no order is needed here. Since strings stay, a daemon that starts again reads them all.
 *
 * The other side can write the counter too: whatever it says, nothing is written outside the arena.
 */
#include <string.h>

#include "base/defs.h"
#include "wire/arena.h"

/*
 * Append a string, cut at ARENA_MAX_STRING bytes.
 *
 * Return: its offset; ARENA_NONE when the arena is full.
 */
uint32_t arena_append(const struct region *region, const char *text, size_t length)
{
	uint16_t stored = (uint16_t)MIN(length, ARENA_MAX_STRING);
	uint32_t need = (uint32_t)(sizeof(stored) + stored + 1 + 3) & ~3u;
	uint32_t offset;

	/* Looked at first, so that a full arena is not counted up until it wraps. */
	offset = atomic_load_explicit(&region->arena->used_bytes, memory_order_relaxed);
	if ((uint64_t)offset + need > REGION_ARENA_BYTES)
		return ARENA_NONE;
	offset = atomic_fetch_add_explicit(&region->arena->used_bytes, need, memory_order_relaxed);
	if ((uint64_t)offset + need > REGION_ARENA_BYTES || offset < sizeof(*region->arena) ||
	    offset % 4)
		return ARENA_NONE;
	memcpy((unsigned char *)region->arena + offset, &stored, sizeof(stored));
	memcpy((unsigned char *)region->arena + offset + sizeof(stored), text, stored);
	return offset;
}
