/* SPDX-License-Identifier: Apache-2.0 */
/* Loop: where a turn ends and the next begins, on the thread that runs it */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>

#include "watch.h"
#include "watchdog.h"
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
	bool is_import; /* of the largest: the callback is slow then, not its calls */
	struct record_stack stack;
	struct record_frame frames[RECORD_MAX_FRAMES];
};

/* The wait of many sleeps that may not have ended yet (retry.c). */
struct retry {
	const void *caller; /* of the sleeps */
	uint64_t first_ns;  /* what the first of them asked for */
	uint64_t start;
	uint64_t turn_seq, callback_seq;
	bool is_long;		  /* past the limit of a call */
	struct short_calls calls; /* its sleeps; n is 0: there is none */
};

/*
 * What the shim keeps of a thread that runs loops, beside the slot it shares. Written by that
 * thread; the watchdog reads what is marked so. Lives in memory that a fork child finds zeroed,
 * however it was forked, and all zero means: no loop, no turn, nothing to do.
 */
struct loop {
	/* The first cache line is all that a turn touches here. */
	_Alignas(64) union {
		struct {
			bool is_open;	    /* a turn is open */
			bool is_in_call;    /* in a hooked call, or in our own slow path */
			bool is_noted;	    /* what follows the last edge is to be looked at */
			bool is_turn_noted; /* the counters of the turn are not all nought */
		};
		uint32_t marks; /* the four in one */
	};
	int epoll_key; /* the loop's epoll descriptor ^ LOOP_EPOLL_KEY; 0: none */
	struct slot *slot;
	bool is_ready;		 /* not uvloop: a turn is open, and no callback of it runs */
	bool is_warm;		 /* the slot's figures are of what is judged */
	bool has_inner;		 /* uvloop: the open pair holds pairs that have ended */
	uint32_t turn_first;	 /* callback_seq, its lower half, when the turn began */
	uint32_t depth;		 /* uvloop: callbacks nested in each other */
	uint32_t callback_calls; /* hooked calls made in this callback */
	uint64_t edge;		 /* where the running callback began: the last edge seen */
	uint64_t turn_start;
	uint64_t lag_origin; /* lag counts from here */
	uint64_t tick;	     /* of the watchdog when a poll last looked at the clock */

	uint64_t call_start;
	uintptr_t call_frame; /* of the wrapper that is_in_call is about; LOOP_OUR_FRAME: of none */
	uint64_t carry;	      /* span of the last turn that ended at a poll of some length */
	enum framework framework;
	_Atomic uint32_t state; /* enum slot_state: who has it, as only we can say */
	uint32_t slot_index;
	uint32_t turn_slow;	    /* callbacks reported in this turn */
	uint64_t callback_reported; /* ticks that RECORD_CALLs tell of */
	uint64_t turn_reported;
	uint64_t callback_gil_wait; /* ticks */
	uint64_t turn_gil_wait;
	uint64_t callback_collection;
	uint64_t turn_collection;
	uint64_t collection_start; /* of garbage; 0: none runs */
	uint64_t gil_start;	   /* of waits for the GIL with nothing between them; 0: none */
	uint64_t gil_end;	   /* of the last of them */
	uint32_t gil_n;
	uint64_t turn_max; /* the longest callback of the turn, and what it ran */
	uint32_t turn_max_file_str;
	uint32_t turn_max_function_str;
	int32_t turn_max_first_line;
	int32_t tid;		       /* watchdog reads */
	_Atomic uint64_t tstate_raddr; /* watchdog reads; 0: frames cannot be read */
	_Atomic uint64_t loop_raddr;   /* watchdog reads; the loop object */
	_Atomic uint64_t tasks_raddr;  /* watchdog reads; the dict of tasks that run, to 3.13 */
	bool has_strict;	       /* calls counted and not told of yet (strict.c) */
	struct short_calls short_calls;
	int refused_fd;	       /* a lock on this file was refused just before */
	uint32_t refused_call; /* the hooked call of this callback that comes next then */
	struct retry retry;
	bool takes_epoll; /* its framework does not say which: the next that is polled is its own */
};

static_assert(offsetof(struct loop, call_start) == 64, "the hot cache line");

/* A turn is open and there is nothing to look at: in the turn, or in the callback that runs. */
#define LOOP_TURN_PLAIN	    htole32(0x00000001)
#define LOOP_CALLBACK_MARKS htole32(0x00ffffff)

/* No descriptor is as large (Linux: fs.nr_open is at most 2^30 - 1), so no key of one is 0. */
#define LOOP_EPOLL_KEY 0x40000000

/* No frame lies further out: what the shim itself is about is never taken for left. */
#define LOOP_OUR_FRAME UINTPTR_MAX

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
bool loops_run_here(void);
struct loop *loop_at(unsigned int index);
struct loop *loop_start(enum framework framework, int epoll_fd, uint64_t tstate_raddr);
bool loop_take_epoll(struct loop *loop, int epoll_fd);
void loop_stop(void);
void loop_forget(void);

void gil_flush(struct loop *loop); /* call-gil.c */
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
	hist_add(&slot->lag, loop->edge - loop->lag_origin);
	loop->edge = now;
	atomic_store_explicit(&slot->callback_start, now, memory_order_relaxed);
	atomic_store_explicit(&slot->callback_seq,
			      atomic_load_explicit(&slot->callback_seq, memory_order_relaxed) + 1,
			      memory_order_release);
	return span;
}

/* Whether the callback of an open turn that just ended deserves a second look; so it does when it
 * left a call by a jump. */
static inline bool loop_callback_is_slow(const struct loop *loop, uint64_t span)
{
	return span >= watch.limits.notable ||
	       (loop->marks & LOOP_CALLBACK_MARKS) != LOOP_TURN_PLAIN;
}

/* Callbacks that have ended in the turn. */
static inline uint32_t loop_turn_callbacks(const struct loop *loop)
{
	return (uint32_t)atomic_load_explicit(&loop->slot->callback_seq, memory_order_relaxed) -
	       loop->turn_first;
}

/*
 * The loop goes to its own poll and will not sleep there. When nothing can have taken long since
 * the last edge, that is where its turn ends and the next begins: no look at the clock.
 *
 * Return: false when the turn has to be ended and begun in full.
 */
static inline bool loop_turn_pass(struct loop *loop)
{
	struct slot *slot = loop->slot;
	uint64_t edge = loop->edge, span = edge - loop->turn_start;

	/* A turn of no callback is ended in full, or it might never end. */
	if (unlikely(loop->tick != atomic_load_explicit(&watchdog_tick, memory_order_relaxed) ||
		     loop->marks != LOOP_TURN_PLAIN || span - 1 >= watch.limits.long_turn - 1))
		return false;
	hist_add(&slot->turn, span);
	loop->lag_origin = loop->turn_start;
	loop->turn_start = edge;
	loop->turn_first =
		(uint32_t)atomic_load_explicit(&slot->callback_seq, memory_order_relaxed);
	loop->depth = 0;
	loop->callback_calls = 0;
	/* Not open in between, so that the watchdog never sees the one's start with the other. */
	atomic_store_explicit(&slot->turn_start, 0, memory_order_relaxed);
	atomic_store_explicit(&slot->turn_seq,
			      atomic_load_explicit(&slot->turn_seq, memory_order_relaxed) + 1,
			      memory_order_release);
	atomic_store_explicit(&slot->turn_start, edge, memory_order_release);
	return true;
}
