/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a descriptor: whether it is O_NONBLOCK, and so never waits */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/defs.h"

enum fd_state {
	FD_UNKNOWN = 0,
	FD_NEVER_WAITS = 1, /* O_NONBLOCK */
	FD_WAITS = 2,
	FD_SHARED = 3, /* has a twin by dup(): either's F_SETFL is both's, so nothing is kept */
};

/* Those beyond are asked for each time; programs seldom have as many. */
#define FD_STATE_N    65536
#define FD_STATE_BITS 2
#define FD_STATE_MASK ((1u << FD_STATE_BITS) - 1)

extern _Atomic uint32_t fd_states[FD_STATE_N]; /* epoch << FD_STATE_BITS | enum fd_state */
extern _Atomic uint32_t fd_state_epoch;
/* Strict: opened by a loop's thread, and not closed since. */
extern _Atomic bool fds_opened[FD_STATE_N];

void fd_state_set(int fd, enum fd_state state);
void fd_state_forget_all(void);
void fd_state_age(uint64_t now);
void fd_state_duplicated(int from_fd, int to_fd);
bool fd_state_ask(int fd);

static inline enum fd_state fd_state_known(int fd)
{
	uint32_t word;

	if (unlikely((unsigned int)fd >= FD_STATE_N))
		return FD_UNKNOWN;
	word = atomic_load_explicit(&fd_states[fd], memory_order_relaxed);
	/* A twin stays one until it is closed, whatever the epoch. */
	if ((word & FD_STATE_MASK) == FD_SHARED)
		return FD_SHARED;
	if (word >> FD_STATE_BITS != atomic_load_explicit(&fd_state_epoch, memory_order_relaxed))
		return FD_UNKNOWN;
	return (enum fd_state)(word & FD_STATE_MASK);
}

static inline void fd_state_opened(int fd)
{
	if (likely((unsigned int)fd < FD_STATE_N))
		atomic_store_explicit(&fds_opened[fd], true, memory_order_relaxed);
}

static inline bool fd_state_is_opened(int fd)
{
	return (unsigned int)fd < FD_STATE_N &&
	       atomic_load_explicit(&fds_opened[fd], memory_order_relaxed);
}

static inline void fd_state_closed(int fd)
{
	if (unlikely((unsigned int)fd >= FD_STATE_N))
		return;
	atomic_store_explicit(&fd_states[fd], 0, memory_order_relaxed);
	atomic_store_explicit(&fds_opened[fd], false, memory_order_relaxed);
}
