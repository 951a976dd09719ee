/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditions: the GIL, and what other code waits for
 *
 * CPython waits for its GIL on a condition that lies inside _PyRuntime (3.8 to 3.15), in steps of
 * the switch interval. A loop's thread that does so is held up by whoever has the GIL, not by the
 * code on its own stack: the time is counted and taken off what that code is judged by.
 *
 * A wait that comes from anywhere but the interpreter itself (C++ in an extension) is a call. One
 * from the interpreter that is not for this GIL is a sub-interpreter's, and is left alone.
 */
#include "emit.h"

static bool is_gil(const pthread_cond_t *cond)
{
	uint64_t raddr = (uint64_t)(uintptr_t)cond;

	return raddr - watch.runtime_raddr < watch.runtime_bytes;
}

static bool is_interpreter(const void *caller)
{
	return (uintptr_t)caller - watch.interpreter_start < watch.interpreter_bytes;
}

/* Waits with nothing between them are one pause. Also called when a callback has ended. */
_hidden_ void gil_flush(struct loop *loop)
{
	uint64_t span = loop->gil_end - loop->gil_start;

	if (loop->gil_start && span >= watch.limits.pause)
		emit_pause(loop, &(struct pause){.why = RECORD_WHY_GIL,
						 .start = loop->gil_start,
						 .span = span,
						 .n = loop->gil_n});
	loop->gil_start = 0;
	loop->gil_n = 0;
}

static void gil_waited(struct loop *loop, uint64_t start, uint64_t end)
{
	if (loop->gil_start && start - loop->gil_end > watch.limits.short_call)
		gil_flush(loop);
	if (!loop->gil_start)
		loop->gil_start = start;
	loop->gil_end = end;
	loop->gil_n++;
	loop->is_noted = true;
	loop->callback_gil_wait += end - start;
	loop->turn_gil_wait += end - start;
}

#define CONDITION_CALL(symbol, args)                                                 \
	(is_interpreter(__builtin_return_address(0))                                 \
		 ? REAL(symbol) args                                                 \
		 : CALL_ABOUT(symbol, CALL_WAITS, -1, args, .subject = SUBJECT_LOCK, \
			      .what = (cond)))

_export_ int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
				    const struct timespec *restrict deadline)
{
	struct loop *loop = thread_loop;
	uint64_t start;
	int r;

	if (likely(!loop) || !loop->is_open)
		return REAL(pthread_cond_timedwait)(cond, mutex, deadline);
	if (!is_gil(cond))
		return CONDITION_CALL(pthread_cond_timedwait, (cond, mutex, deadline));
	start = clock_ticks(watch.clock_kind);
	r = REAL(pthread_cond_timedwait)(cond, mutex, deadline);
	if (likely(thread_loop == loop && loop->is_open))
		gil_waited(loop, start, clock_ticks(watch.clock_kind));
	return r;
}

_export_ int pthread_cond_wait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex)
{
	return CONDITION_CALL(pthread_cond_wait, (cond, mutex));
}

_export_ int pthread_cond_clockwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
				    clockid_t clock, const struct timespec *restrict deadline)
{
	return CONDITION_CALL(pthread_cond_clockwait, (cond, mutex, clock, deadline));
}
