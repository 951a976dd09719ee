/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for the GIL
 *
 * CPython waits for its GIL on a condition that lies inside _PyRuntime (3.8 to 3.15), in steps of
 * the switch interval. A loop's thread that does so is held up by whoever has the GIL, not by the
 * code on its own stack: the time is counted and taken off what that code is judged by. Any other
 * condition is none of our business.
 */
#include "call.h"

static bool is_gil(const pthread_cond_t *cond)
{
	uint64_t raddr = (uint64_t)(uintptr_t)cond;

	return raddr - watch.runtime_raddr < watch.runtime_bytes;
}

_export_ int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
				    const struct timespec *restrict deadline)
{
	struct loop *loop = thread_loop;
	uint64_t start;
	int r;

	if (likely(!loop) || !loop->is_open || !is_gil(cond))
		return REAL(pthread_cond_timedwait)(cond, mutex, deadline);
	start = clock_ticks(watch.clock_kind);
	r = REAL(pthread_cond_timedwait)(cond, mutex, deadline);
	if (likely(thread_loop == loop && loop->is_open)) {
		uint64_t span = clock_ticks(watch.clock_kind) - start;

		loop->is_noted = true;
		loop->callback_gil_wait += span;
		loop->turn_gil_wait += span;
	}
	return r;
}
