/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for other threads, and for other processes by a System V semaphore or message queue
 *
 * CPython builds Lock, RLock, Event, Queue, Future.result() and Thread.join() on semaphores: with a
 * timeout sem_timedwait (3.8) or sem_clockwait (3.9), without one sem_wait. Its GIL is a condition
 * variable and does not come this way. Most often it tries first and comes here when that has
 * failed (Modules/_threadmodule.c, acquire_timed()), but not always: so a semaphore that is free at
 * the entry is not one that was waited for. Which thread has the lock is known by py/lock.c, where
 * from 3.14 on the semaphore is no longer the lock itself, but a place to wait for it.
 */
#include "call.h"
#include "py/lock.h"

/* Only strict has to know. To look at a semaphore does not change it. */
static enum call_nature semaphore_nature(sem_t *semaphore)
{
	int value = 0;

	if (likely(!thread_loop) || !watch.options.is_strict)
		return CALL_WAITS;
	return sem_getvalue(semaphore, &value) || value > 0 ? CALL_QUICK : CALL_WAITS;
}

#define LOCK_CALL_BY(symbol, nature, lock, fd, args) \
	CALL_ABOUT(symbol, nature, fd, args, .subject = SUBJECT_LOCK, .what = (lock))

/* Twice, since a descriptor that is always the same costs nothing to hand on. */
#define LOCK_CALL(symbol, nature, lock, args)                                               \
	(unlikely(thread_lock) ? LOCK_CALL_BY(symbol, nature, lock,                         \
					      call_lock_fd(lock_holder(thread_lock)), args) \
			       : LOCK_CALL_BY(symbol, nature, lock, -1, args))

_export_ int sem_wait(sem_t *semaphore)
{
	return LOCK_CALL(sem_wait, semaphore_nature(semaphore), semaphore, (semaphore));
}

_export_ int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict deadline)
{
	return LOCK_CALL(sem_timedwait, semaphore_nature(semaphore), semaphore,
			 (semaphore, deadline));
}

_export_ int sem_clockwait(sem_t *restrict semaphore, clockid_t clock,
			   const struct timespec *restrict deadline)
{
	return LOCK_CALL(sem_clockwait, semaphore_nature(semaphore), semaphore,
			 (semaphore, clock, deadline));
}

_export_ int pthread_join(pthread_t thread, void **result)
{
	return CALL(pthread_join, CALL_WAITS, (thread, result));
}

_export_ int pthread_timedjoin_np(pthread_t thread, void **result, const struct timespec *deadline)
{
	return CALL(pthread_timedjoin_np, CALL_WAITS, (thread, result, deadline));
}

_export_ int pthread_clockjoin_np(pthread_t thread, void **result, clockid_t clock,
				  const struct timespec *deadline)
{
	return CALL(pthread_clockjoin_np, CALL_WAITS, (thread, result, clock, deadline));
}

_export_ int semop(int set, struct sembuf *operations, size_t n_operations)
{
	return CALL(semop, CALL_QUICK, (set, operations, n_operations));
}

_export_ int semtimedop(int set, struct sembuf *operations, size_t n_operations,
			const struct timespec *timeout)
{
	return CALL(semtimedop, CALL_QUICK, (set, operations, n_operations, timeout));
}

_export_ int msgsnd(int queue, const void *message, size_t size_bytes, int flags)
{
	return CALL(msgsnd, flags & IPC_NOWAIT ? CALL_QUICK : CALL_WAITS,
		    (queue, message, size_bytes, flags));
}

_export_ ssize_t msgrcv(int queue, void *message, size_t size_bytes, long type, int flags)
{
	return CALL(msgrcv, flags & IPC_NOWAIT ? CALL_QUICK : CALL_WAITS,
		    (queue, message, size_bytes, type, flags));
}

/* On Linux a message queue is a descriptor. */
_export_ int mq_send(mqd_t queue, const char *message, size_t size_bytes, unsigned int priority)
{
	return CALL_FD(mq_send, CALL_BY_FD, queue, (queue, message, size_bytes, priority));
}

_export_ int mq_timedsend(mqd_t queue, const char *message, size_t size_bytes,
			  unsigned int priority, const struct timespec *deadline)
{
	return CALL_FD(mq_timedsend, CALL_BY_FD, queue,
		       (queue, message, size_bytes, priority, deadline));
}

_export_ ssize_t mq_receive(mqd_t queue, char *message, size_t size_bytes, unsigned int *priority)
{
	return CALL_FD(mq_receive, CALL_BY_FD, queue, (queue, message, size_bytes, priority));
}

_export_ ssize_t mq_timedreceive(mqd_t queue, char *restrict message, size_t size_bytes,
				 unsigned int *restrict priority,
				 const struct timespec *restrict deadline)
{
	return CALL_FD(mq_timedreceive, CALL_BY_FD, queue,
		       (queue, message, size_bytes, priority, deadline));
}

_export_ int mq_close(mqd_t queue)
{
	int r = REAL(mq_close)(queue);

	if (!r)
		fd_state_closed(queue);
	return r;
}

/* O_NONBLOCK is the one thing it sets. */
_export_ int mq_setattr(mqd_t queue, const struct mq_attr *restrict wanted,
			struct mq_attr *restrict before)
{
	int r = REAL(mq_setattr)(queue, wanted, before);

	if (!r)
		fd_state_forget_all();
	return r;
}
