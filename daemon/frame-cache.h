/* SPDX-License-Identifier: Apache-2.0 */
/* Frame cache: what the names of a frame were found to be the last time */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Where a string is asked for alone. No function has this name. */
#define FRAME_CACHE_STRING UINT32_MAX

struct frame_names {
	uint64_t watch_id; /* 0: none */
	uint32_t file_str;
	uint32_t function_str;
	const char *file; /* or the string */
	const char *function;
	const char *module;
	bool is_own;
};

/* A power of two; 384 KiB, whatever the number of processes. */
#define FRAME_CACHE_N 8192

struct frame_cache {
	uint64_t last_id;
	struct frame_names names[FRAME_CACHE_N];
};

struct frame_names *frame_cache_at(struct frame_cache *cache, uint64_t watch_id, uint32_t file_str,
				   uint32_t function_str, bool *ret_is_known);
