/* SPDX-License-Identifier: Apache-2.0 */
/* Watchdog: the one thread of ours; notices what has not ended */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "loop.h"

/* How a thread fared between two points; -1 = not measured. Exact to one tick of the watchdog. */
struct scheduling {
	int64_t cpu_ns;
	int64_t run_queue_ns; /* it could have run and was not let */
	int64_t frozen_ns;    /* the whole process was stopped or throttled */
};

enum watchdog_state {
	WATCHDOG_AWAKE = 0,
	WATCHDOG_PARKED = 1,  /* sleeps until a turn opens */
	WATCHDOG_ABSENT = 2,  /* not made yet, or gone over a fork */
	WATCHDOG_REFUSED = 3, /* cannot be made */
};

extern _Atomic int watchdog_state;

void watchdog_call(void);
void watchdog_start(void);
void watchdog_stop(void);
void watchdog_finish(void);
void watchdog_forget(void);
struct scheduling watchdog_scheduling(const struct loop *loop, uint64_t start, uint64_t end);

/* A turn has opened. One load of a line that is written only when the watchdog parks. */
static inline void watchdog_notice(void)
{
	if (unlikely(atomic_load_explicit(&watchdog_state, memory_order_relaxed) != WATCHDOG_AWAKE))
		watchdog_call();
}
