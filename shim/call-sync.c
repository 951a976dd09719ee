/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for other threads
 *
 * CPython builds Lock, RLock, Event, Queue, Future.result() and Thread.join() on semaphores: with a
 * timeout sem_timedwait (3.8) or sem_clockwait (3.9), without one sem_wait. Its GIL is a condition
 * variable and does not come this way.
 */
#include "call.h"

_export_ int sem_wait(sem_t *semaphore)
{
	return CALL(sem_wait, -1, false, (semaphore));
}

_export_ int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict deadline)
{
	return CALL(sem_timedwait, -1, false, (semaphore, deadline));
}

_export_ int sem_clockwait(sem_t *restrict semaphore, clockid_t clock,
			   const struct timespec *restrict deadline)
{
	return CALL(sem_clockwait, -1, false, (semaphore, clock, deadline));
}
