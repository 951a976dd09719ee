/* SPDX-License-Identifier: Apache-2.0 */
/* Walk: one pass over the frames of a thread, and one frame taken apart */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pyframe/pyframe.h"

/* What a remote read takes along from before the frame; small enough for a small stack. */
#define WALK_WINDOW_BYTES 1024

enum walk_result {
	WALK_LOST = 0, /* it ended where no stack ends */
	WALK_MOVED,    /* it is whole, but another frame was the innermost when it was done */
	WALK_WHOLE,
};

struct walk {
	const struct pyframe *p;
	const struct mem *mem;
	struct pyframe_trail *trail; /* or NULL */
	struct pyframe_stack *stack;
	uint64_t sought_raddr; /* a frame to be told apart; 0: none */
	uint32_t sought_at;    /* its place in the stack, when it was met */
	bool is_rooted;	       /* the outermost frame is of the kind that stands there */
	uint64_t window_raddr; /* the window's own bytes are filled by a remote read only */
	uint64_t window_bytes;
	uint8_t window[WALK_WINDOW_BYTES];
};

struct walk_frame {
	uint64_t previous_raddr;
	uint64_t executable_raddr;
	uint64_t instr; /* f_lasti where that is a number, sign-extended */
	uint32_t tlbc_index;
	uint8_t owner;
	uint8_t state;
	bool is_calling; /* 3.11 on: its stack is stored, as it is while it waits for a callee */
	bool is_entry;	 /* 3.11: it was entered from C */
};

/* trail may be NULL. */
void walk_init(struct walk *w, const struct pyframe *p, const struct mem *mem,
	       struct pyframe_trail *trail, struct pyframe_stack *stack);

/* Does not look at the code objects. Return: 0, or -errno when the thread cannot be read. */
int walk_pass(struct walk *w, uint64_t tstate_raddr, enum walk_result *ret_result);

/* Cut the stack where a frame has no code object. trail may be NULL. */
void walk_check_types(const struct pyframe *p, const struct mem *mem,
		      const struct pyframe_trail *trail, struct pyframe_stack *stack);

/* After n_frames was made smaller. */
void walk_forget_entries(struct pyframe_stack *stack);

/* bytes: frame_span_bytes from the frame's start. */
void walk_parse_frame(const struct pyframe_layout *l, const uint8_t *bytes,
		      struct walk_frame *ret_frame);
int walk_find_lasti(const struct pyframe *p, const struct mem *mem, const struct walk_frame *frame,
		    uint64_t *ret_lasti);
