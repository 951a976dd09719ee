/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks of threads, as C and C++ have them: who waits for one, and who has it
 *
 * A lock that is free is no call. So each is tried first, which tells; only where it is not had is
 * the real one made, and timed. Those that the kernel's scheduler hands over by (priorities,
 * robustness) are tried in the same way: what is had by trying is had. Whatever else than being
 * taken keeps a try from having it is left to the real one to say.
 *
 * glibc writes down who has a mutex by its thread id (sysdeps/x86/nptl/bits/struct_mutex.h, the
 * same from 2.26 to 2.41).
 *
 * pthread_mutex_lock() is not among them: the interpreter goes through it twice each time it takes
 * its GIL, and would pay for it in each turn of every loop. Nor are the rwlocks, through which
 * OpenSSL goes some 5,500 times while it starts: that took a program without a loop over its
 * budget. A wait there is seen as a callback that was off the CPU.
 */
#include "call.h"

_export_ int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex,
				     const struct timespec *restrict deadline)
{
	int r;

	if (likely(!thread_loop))
		return REAL(pthread_mutex_timedlock)(mutex, deadline);
	r = pthread_mutex_trylock(mutex);
	if (r != EBUSY)
		return r;
	return CALL_ABOUT(pthread_mutex_timedlock, CALL_WAITS, call_lock_fd(mutex->__data.__owner),
			  (mutex, deadline), .subject = SUBJECT_LOCK, .what = mutex);
}

_export_ int pthread_barrier_wait(pthread_barrier_t *barrier)
{
	return CALL_ABOUT(pthread_barrier_wait, CALL_WAITS, -1, (barrier), .subject = SUBJECT_LOCK,
			  .what = barrier);
}
