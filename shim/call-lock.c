/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks of threads, as C and C++ have them: who waits for one, and who has it
 *
 * A lock that is free is no call. So each is tried first, which tells; only where it is not had is
 * the real one made, and timed. Those that the kernel's scheduler hands over by (priorities,
 * robustness) are tried in the same way: what is had by trying is had. Whatever else than being
 * taken keeps a try from having it is left to the real one to say.
 *
 * glibc writes down who has a mutex, and who writes under a rwlock, by their thread ids
 * (sysdeps/x86/nptl/bits/struct_mutex.h and struct_rwlock.h, the same from 2.26 to 2.41).
 *
 * pthread_mutex_lock() is not among them: the interpreter goes through it twice each time it takes
 * its GIL, and would pay for it in each turn of every loop. A wait there is seen as a callback that
 * was off the CPU.
 */
#include "call.h"

#define LOCK_CALL(symbol, nature, lock, holder_, args)                                        \
	({                                                                                    \
		uintptr_t _holder = (uintptr_t)(holder_);                                     \
		CALL_ABOUT(symbol, nature, -1, args, .subject = SUBJECT_LOCK, .what = (lock), \
			   .more = _holder);                                                  \
	})

/* These look at their deadline first, so that trying them would be something else. */
static enum call_nature timed_nature(const pthread_rwlock_t *lock, bool is_for_writing)
{
	/* The lower bits say in which phase it is (nptl/pthread_rwlock_common.c). */
	unsigned int n_readers = lock->__data.__readers >> 3;

	return lock->__data.__cur_writer || (is_for_writing && n_readers) ? CALL_WAITS : CALL_QUICK;
}

_export_ int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex,
				     const struct timespec *restrict deadline)
{
	int r;

	if (likely(!thread_loop))
		return REAL(pthread_mutex_timedlock)(mutex, deadline);
	r = pthread_mutex_trylock(mutex);
	if (r != EBUSY)
		return r;
	return LOCK_CALL(pthread_mutex_timedlock, CALL_WAITS, mutex, mutex->__data.__owner,
			 (mutex, deadline));
}

_export_ int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
	if (likely(!thread_loop))
		return REAL(pthread_rwlock_rdlock)(lock);
	if (!pthread_rwlock_tryrdlock(lock))
		return 0;
	return LOCK_CALL(pthread_rwlock_rdlock, CALL_WAITS, lock, lock->__data.__cur_writer,
			 (lock));
}

_export_ int pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
	if (likely(!thread_loop))
		return REAL(pthread_rwlock_wrlock)(lock);
	if (!pthread_rwlock_trywrlock(lock))
		return 0;
	return LOCK_CALL(pthread_rwlock_wrlock, CALL_WAITS, lock, lock->__data.__cur_writer,
			 (lock));
}

_export_ int pthread_rwlock_timedrdlock(pthread_rwlock_t *restrict lock,
					const struct timespec *restrict deadline)
{
	if (likely(!thread_loop))
		return REAL(pthread_rwlock_timedrdlock)(lock, deadline);
	return LOCK_CALL(pthread_rwlock_timedrdlock, timed_nature(lock, false), lock,
			 lock->__data.__cur_writer, (lock, deadline));
}

_export_ int pthread_rwlock_timedwrlock(pthread_rwlock_t *restrict lock,
					const struct timespec *restrict deadline)
{
	if (likely(!thread_loop))
		return REAL(pthread_rwlock_timedwrlock)(lock, deadline);
	return LOCK_CALL(pthread_rwlock_timedwrlock, timed_nature(lock, true), lock,
			 lock->__data.__cur_writer, (lock, deadline));
}

_export_ int pthread_barrier_wait(pthread_barrier_t *barrier)
{
	return CALL_ABOUT(pthread_barrier_wait, CALL_WAITS, -1, (barrier), .subject = SUBJECT_LOCK,
			  .what = barrier);
}
