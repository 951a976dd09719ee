/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frame cache
 *
 * The frames of a process in trouble are the same ones again and again, and to copy their names out
 * of the arena, make them valid UTF-8, find them in the pool, and tell the module and whose code it
 * is, takes half a microsecond each. An arena is append-only, so an offset once looked up stands
 * for its string; a process that writes into its arena what it should not is shown the older text.
 *
 * One cache for all processes, so that its size is bounded: each place holds the frame that was
 * asked for last.
 */
#include "frame-cache.h"

/* The place for a frame. Unless it is known already, the caller has to fill in what it names. */
struct frame_names *frame_cache_at(struct frame_cache *cache, uint64_t watch_id, uint32_t file_str,
				   uint32_t function_str, bool *ret_is_known)
{
	uint64_t key = ((uint64_t)file_str << 32 | function_str) ^ watch_id << 20;
	struct frame_names *names = &cache->names[key * UINT64_C(0x9e3779b97f4a7c15) >> 51];

	*ret_is_known = names->watch_id == watch_id && names->file_str == file_str &&
			names->function_str == function_str;
	names->watch_id = watch_id;
	names->file_str = file_str;
	names->function_str = function_str;
	return names;
}
