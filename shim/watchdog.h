/* SPDX-License-Identifier: Apache-2.0 */
/* Watchdog: the one thread of ours; notices what has not ended */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/defs.h"

enum watchdog_state {
	WATCHDOG_AWAKE = 0,
	WATCHDOG_PARKED = 1,  /* sleeps until a turn opens */
	WATCHDOG_ABSENT = 2,  /* not made yet, or gone over a fork */
	WATCHDOG_REFUSED = 3, /* cannot be made */
};

extern _Atomic int watchdog_state;
/* Counts the watchdog's looks from 1; 0: it is not looking. Read by every turn. */
extern _Atomic uint64_t watchdog_tick;

void watchdog_call(void);
void watchdog_start(void);
void watchdog_stop(void);
void watchdog_dismiss(void);
void watchdog_finish(void);
void watchdog_forget(void);

/* A turn has opened. One load of a line that is written only when the watchdog parks. */
static inline void watchdog_notice(void)
{
	if (unlikely(atomic_load_explicit(&watchdog_state, memory_order_relaxed) != WATCHDOG_AWAKE))
		watchdog_call();
}
