/* SPDX-License-Identifier: Apache-2.0 */
/* Emit: what was slow, as records in the ring */
#pragma once

#include "call.h"

/* Calls of one site that are told of together. */
struct counted_calls {
	enum hook hook;
	int fd;
	uint32_t target_str;
	uint16_t gil_flags;
	int error;
	uint32_t n;
	uint64_t sum; /* ticks */
	uint64_t max;
	uint64_t start; /* of the first, and when it was made */
	uint64_t turn_seq, callback_seq;
};

struct stack_buf {
	struct record_stack stack;
	uint64_t entries[RECORD_N_ENTRY_WORDS]; /* as struct record_native has them */
	struct record_frame frames[RECORD_MAX_FRAMES];
};

void emit_stack_names(const struct mem *mem, const struct pyframe_stack *found,
		      struct stack_buf *ret_stack);
void emit_forget(void);
void emit_stack_loss(const struct record_stack *stack);
void emit_own_stack(uint64_t tstate_raddr, struct stack_buf *ret_stack);
void *emit_record(uint32_t size_bytes, enum record_type type, uint16_t flags);
uint64_t emit_turn_seq(const struct loop *loop);
uint64_t emit_running_seq(const struct loop *loop);
bool emit_call_stack(const struct loop *loop, uint64_t start, struct stack_buf *ret_stack);
bool emit_call(const struct loop *loop, const struct call_about *about, uint64_t span, int error);
void emit_counted_calls(const struct loop *loop, const struct counted_calls *calls,
			const struct stack_buf *stack);
void emit_short_calls(struct loop *loop);
void emit_retry(struct loop *loop);
void emit_callback(struct loop *loop, uint64_t now, uint64_t span, const struct callee *callee);
void emit_turn(struct loop *loop, uint64_t now, uint64_t span);

struct pause {
	enum record_why why;
	uint64_t start, span; /* ticks */
	uint32_t n;
};

void emit_pause(const struct loop *loop, const struct pause *pause);

/* A pitfall as far as it is known before its record: what is 0 or NULL is not known. */
struct pitfall_facts {
	enum pitfall pitfall;
	uint32_t n;
	uint64_t start, span; /* ticks */
	uint32_t name_str, detail_str, task_str, coro_str;
	struct callee code; /* what name_str names */
	const struct stack_buf *stack;
	const struct stack_buf *origin;
	bool is_more; /* as RECORD_FLAG_MORE */
};

void emit_pitfall(const struct pitfall_facts *facts);
