/* SPDX-License-Identifier: Apache-2.0 */
/* Call: a hooked call made while a turn is open, timed */
#pragma once

#include <errno.h>

#include "loop.h"

void call_slow(struct loop *loop, enum hook hook, int fd, bool is_waiting_fd, uint64_t now,
	       int error);

/*
 * Enter a call. Return: the loop it holds; NULL when there is nothing to time: no loop on this
 * thread, no turn open, a call within a call (a signal handler, another library), our own work.
 */
static inline struct loop *call_enter(enum hook hook, int fd)
{
	struct loop *loop = thread_loop;
	struct slot *slot;

	if (likely(!loop) || !loop->is_open || loop->is_in_call)
		return NULL;
	slot = loop->slot;
	loop->is_in_call = true;
	loop->callback_calls++;
	loop->call_start = clock_ticks(watch.clock_kind);
	atomic_store_explicit(&slot->call_str, watch.call_str[hook], memory_order_relaxed);
	atomic_store_explicit(&slot->call_fd, fd, memory_order_relaxed);
	atomic_store_explicit(&slot->call_start, loop->call_start, memory_order_release);
	return loop;
}

/*
 * Leave it. is_waiting_fd: the call waits only if fd does, which a slow path asks. error is the
 * errno of a call that failed, else 0. Keeps errno.
 */
static inline void call_leave(struct loop *loop, enum hook hook, int fd, bool is_waiting_fd,
			      int error)
{
	uint64_t now = clock_ticks(watch.clock_kind);

	atomic_store_explicit(&loop->slot->call_start, 0, memory_order_release);
	if (unlikely(now - loop->call_start >= watch.limits.call_floor))
		call_slow(loop, hook, fd, is_waiting_fd, now, error);
	loop->is_in_call = false;
}

/* A signal handler may have forked during the call: in the child there is no loop. */
static inline bool call_is_ours(const struct loop *loop)
{
	return likely(thread_loop == loop && loop->is_in_call);
}

/* The body of a wrapper: the real call, timed when it holds a loop. */
#define CALL(symbol, fd, is_waiting_fd, args)                               \
	({                                                                  \
		struct loop *_loop = call_enter(HOOK_##symbol, fd);         \
		__typeof__(symbol args) _result = REAL(symbol) args;        \
                                                                            \
		if (unlikely(_loop) && call_is_ours(_loop))                 \
			call_leave(_loop, HOOK_##symbol, fd, is_waiting_fd, \
				   (int)_result == -1 ? errno : 0);         \
		_result;                                                    \
	})
