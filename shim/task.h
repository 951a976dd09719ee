/* SPDX-License-Identifier: Apache-2.0 */
/* Task: which asyncio task a callback is a step of, as a record beside a call or a sample */
#pragma once

#include "emit.h"

/* A task that was found, and its chain as places in the stack it was found with. */
struct task_note {
	bool is_known;
	bool has_chain;
	uint32_t name_str;
	uint32_t coro_str;
	struct task_place place;
	uint32_t n_awaiters;
	struct record_awaiter awaiters[TASK_MAX_AWAITERS];
};

void task_note_take(const struct loop *loop, const struct mem *mem,
		    const struct pyframe_stack *found, struct task_note *ret_note);
void task_note_cut(struct task_note *note, uint32_t n_gone);
void task_note_emit(const struct loop *loop, uint64_t turn_seq, uint64_t callback_seq,
		    const struct task_note *note, const struct stack_buf *stack);
