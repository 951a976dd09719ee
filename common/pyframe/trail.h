/* SPDX-License-Identifier: Apache-2.0 */
/* Trail: the memory the frames of a thread lay in, read again in one call */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pyframe/pyframe.h"

/* With 128 frames of 112 bytes each; what finds no room is read piece by piece. */
#define PYFRAME_TRAIL_MAX_SPANS PYFRAME_MAX_FRAMES
#define PYFRAME_TRAIL_MAX_BYTES 16384

/* Bytes of the other thread's memory that held frames. */
struct pyframe_span {
	uint64_t raddr;
	uint32_t n_bytes;
	uint32_t at; /* where they are in the trail's bytes */
	uint32_t used_begin;
	uint32_t used_end; /* what of it were frames; 0: none */
};

/*
 * Where the frames of a thread lay when it was last sampled: the next sample reads all of that in
 * one call. Zeroed by the caller at first and never looked into by it; one that is out of date
 * costs time and nothing else. One serves all that a sampling thread samples, and does most for who
 * is sampled again and again.
 */
struct pyframe_trail {
	uint64_t tstate_raddr;
	uint64_t cframe_raddr;
	uint32_t n_spans;
	uint32_t n_bytes;
	uint32_t cursor;
	uint8_t is_changed;  /* spans were added or are of no use any more */
	uint8_t is_extended; /* reads were made after the one call */
	uint8_t is_moved;    /* the innermost frame was another one at the end of the one call */
	uint8_t is_old;	     /* what it tells of may have become something else meanwhile */
	uint32_t n_codes;    /* of the last stack, known to be code objects */
	uint64_t codes[PYFRAME_MAX_FRAMES];
	struct pyframe_span spans[PYFRAME_TRAIL_MAX_SPANS];
	uint8_t bytes[PYFRAME_TRAIL_MAX_BYTES];
};

void trail_set_aside(struct pyframe_trail *trail);
int trail_begin(struct pyframe_trail *trail, const struct pyframe_layout *l, const struct mem *mem,
		uint64_t tstate_raddr, uint64_t *ret_frame_raddr);
const uint8_t *trail_find(struct pyframe_trail *trail, uint64_t raddr, uint32_t n_bytes);
uint8_t *trail_extend(struct pyframe_trail *trail, const struct mem *mem, uint64_t raddr,
		      uint32_t n_bytes);
void trail_end(struct pyframe_trail *trail);
bool trail_knows_code(const struct pyframe_trail *trail, uint32_t from_outermost,
		      uint64_t code_raddr);
void trail_keep_codes(struct pyframe_trail *trail, const struct pyframe_stack *stack);
