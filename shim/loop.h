/* SPDX-License-Identifier: Apache-2.0 */
/* Loop: where a turn ends and the next begins, on the thread that runs it */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "watch.h"
#include "wire/record.h"

/* The largest of the short calls of the callback that runs now. */
struct short_calls {
	uint64_t sum; /* ticks of all of them */
	uint64_t max; /* ticks of the one the stack belongs to */
	uint32_t n;
	enum hook hook;
	int fd;
	uint32_t target_str;
	uint16_t gil_flags;
	struct record_stack stack;
	struct record_frame frames[RECORD_MAX_FRAMES];
};

/*
 * What the shim keeps of a thread that runs loops, beside the slot it shares. Written by that
 * thread; the watchdog reads what is marked so. Lives in memory that a fork child finds zeroed,
 * however it was forked, and all zero means: no loop, no turn, nothing to do.
 */
struct loop {
	bool is_open;		/* a turn is open */
	bool is_in_call;	/* in a hooked call, or in our own slow path */
	int epoll_key;		/* the loop's epoll descriptor ^ LOOP_EPOLL_KEY; 0: none */
	_Atomic uint32_t state; /* enum slot_state: who has it, as only we can say */
	struct slot *slot;
	uint32_t slot_index;
	enum framework framework;
	uint64_t edge; /* where the running callback began: the last edge seen */
	uint64_t turn_start;
	uint64_t carry; /* span of the turn before, when no sleep came between */
	uint64_t call_start;
	uint32_t depth;		    /* callbacks nested in each other */
	bool has_inner;		    /* uvloop: the open pair holds pairs that have ended */
	uint32_t turn_callbacks;    /* ended in this turn */
	uint32_t callback_calls;    /* hooked calls made in this callback */
	uint32_t turn_slow;	    /* callbacks reported in this turn */
	uint64_t callback_reported; /* ticks that RECORD_CALLs tell of */
	uint64_t turn_reported;
	uint64_t callback_gil_wait; /* ticks */
	uint64_t turn_gil_wait;
	uint64_t turn_max; /* the longest callback of the turn, and what it ran */
	uint32_t turn_max_file_str;
	uint32_t turn_max_function_str;
	int32_t turn_max_first_line;
	int32_t tid;		       /* watchdog reads */
	_Atomic uint64_t tstate_raddr; /* watchdog reads; 0: frames cannot be read */
	struct short_calls short_calls;
};

/* No descriptor is as large (Linux: fs.nr_open is at most 2^30 - 1), so no key of one is 0. */
#define LOOP_EPOLL_KEY 0x40000000

/* The callable a callback ran, as the framework handed it over; filled by py/. */
struct callee {
	uint32_t file_str;
	uint32_t function_str;
	int32_t first_line;
};

/* initial-exec: no call and no allocation to reach it. NULL: this thread runs no loop now. */
extern __thread struct loop *thread_loop __attribute__((tls_model("initial-exec")));

bool loops_init(void);
bool loops_are_ours(void);
struct loop *loop_at(unsigned int index);
struct loop *loop_start(enum framework framework, int epoll_fd, uint64_t tstate_raddr);
void loop_stop(void);
void loop_forget(void);

void loop_turn_end(struct loop *loop);
void loop_turn_begin(struct loop *loop);
void loop_callback_slow(struct loop *loop, uint64_t now, uint64_t span,
			const struct callee *callee);

/* Whether epoll_fd is the one this thread's loop sleeps on. */
static inline bool loop_owns(const struct loop *loop, int epoll_fd)
{
	return likely(loop) && loop->epoll_key == (epoll_fd ^ LOOP_EPOLL_KEY);
}

/*
 * An edge: the callback that began at the last edge ends now and the next begins. One clock read
 * for both. Return: its span in ticks.
 */
static inline uint64_t loop_callback_edge(struct loop *loop, uint64_t now)
{
	struct slot *slot = loop->slot;
	uint64_t span = now - loop->edge;

	hist_add(&slot->callback, span);
	hist_add(&slot->lag, loop->edge - loop->turn_start + loop->carry);
	loop->edge = now;
	loop->turn_callbacks++;
	atomic_store_explicit(&slot->callback_start, now, memory_order_relaxed);
	atomic_store_explicit(&slot->callback_seq,
			      atomic_load_explicit(&slot->callback_seq, memory_order_relaxed) + 1,
			      memory_order_release);
	return span;
}

/* Whether the callback that just ended deserves a second look. */
static inline bool loop_callback_is_slow(const struct loop *loop, uint64_t span)
{
	return span >= watch.limits.slow_callback || loop->callback_calls ||
	       (span > loop->turn_max && span >= watch.limits.blocking_call);
}
