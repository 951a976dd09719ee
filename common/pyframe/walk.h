/* SPDX-License-Identifier: Apache-2.0 */
/* Walk: one frame, taken apart */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pyframe/pyframe.h"

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

/* bytes: frame_span_bytes from the frame's start. */
void walk_parse_frame(const struct pyframe_layout *l, const uint8_t *bytes,
		      struct walk_frame *ret_frame);
int walk_find_lasti(const struct pyframe *p, const struct mem *mem, const struct walk_frame *frame,
		    uint64_t *ret_lasti);
