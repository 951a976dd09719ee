/* SPDX-License-Identifier: Apache-2.0 */
/* Trail: the memory the frames of a thread lay in, read again in one call */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pyframe/pyframe.h"

int trail_begin(struct pyframe_trail *trail, const struct pyframe_layout *l, const struct mem *mem,
		uint64_t tstate_raddr, uint64_t *ret_frame_raddr);
const uint8_t *trail_find(struct pyframe_trail *trail, uint64_t raddr, uint32_t n_bytes);
uint8_t *trail_extend(struct pyframe_trail *trail, const struct mem *mem, uint64_t raddr,
		      uint32_t n_bytes);
void trail_end(struct pyframe_trail *trail);
bool trail_knows_code(const struct pyframe_trail *trail, uint32_t from_outermost,
		      uint64_t code_raddr);
void trail_keep_codes(struct pyframe_trail *trail, const struct pyframe_stack *stack);
