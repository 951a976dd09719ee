/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fork: what happens to a watch when its process is doubled
 *
 * Before: the watchdog is ended, since CPython 3.12 warns of a fork in a process with threads.
 * After, on either side: the next turn makes it again. The child shares its parent's region until
 * it has forgotten it, so that is the first thing it does; it opens a watch of its own with its
 * first loop.
 *
 * Several threads may fork at once, beside one that is about to make the watchdog anew. One lock is
 * held from before a fork until after it, and while the watchdog is made. Our prepare handler runs
 * after all that were registered later, so no thread comes here holding it and waits for a lock
 * of theirs. It is waited for a moment and no longer: a signal handler may fork on top of its
 * holder.
 *
 * A child can also be made behind libc's back (_Fork, a raw clone). It finds the memory of the
 * loops wiped, which is how it is recognised at the next slow step it takes; until then it finds no
 * open turn, and nothing of ours happens in it.
 *
 * In a child of another thread than the first, that thread is the first now, and its function may
 * return: the process ends when the last of its threads has, which the watchdog must not be. So
 * it goes with the last thread that had a loop; the next turn of another would make it again.
 *
 * vfork and posix_spawn do not come here and need nothing: the child execs or ends.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "emit.h"
#include "fork.h"
#include "loop.h"
#include "made.h"
#include "py/cancel.h"
#include "uplink.h"
#include "watch.h"
#include "watchdog.h"

/* A watchdog is made in 100 us. Beyond this the holder is below us on our own stack. */
#define LOCK_WAIT_NS (100 * NSEC_PER_MSEC)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Of the thread that forks: whether it holds the lock. */
static __thread bool is_locked __attribute__((tls_model("initial-exec")));

/* Of the thread that forks: whether it is another than the first. */
static __thread bool is_other __attribute__((tls_model("initial-exec")));
/* The first thread of this process does not end it by its end. Written in a fork child alone. */
static bool is_first_mortal;

static void forget_all(void)
{
	watchdog_forget();
	loop_forget();
	emit_forget();
	cancel_forget();
	made_forget();
	uplink_forget();
	watch_forget();
}

static bool lock_wait(void)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)LOCK_WAIT_NS;
	if (until.tv_nsec >= (long)NSEC_PER_SEC) {
		until.tv_nsec -= (long)NSEC_PER_SEC;
		until.tv_sec++;
	}
	return !pthread_mutex_clocklock(&lock, CLOCK_MONOTONIC, &until);
}

static void fork_prepare(void)
{
	int saved_errno = errno;

	/* In a child made behind libc's back there is no watchdog to wait for. */
	if (watch_is_open() && !loops_are_ours())
		forget_all();
	is_other = syscall(SYS_gettid) != getpid();
	is_locked = lock_wait();
	if (is_locked)
		watchdog_stop();
	errno = saved_errno;
}

static void fork_parent(void)
{
	if (is_locked)
		pthread_mutex_unlock(&lock);
	is_locked = false;
}

static void fork_child(void)
{
	int saved_errno = errno;

	is_locked = false;
	is_first_mortal |= is_other;
	lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	if (watch_is_open())
		forget_all();
	errno = saved_errno;
}

_hidden_ void fork_init(void)
{
	pthread_atfork(fork_prepare, fork_parent, fork_child);
}

/* Make the watchdog, unless a fork is going on: then the next turn does it. */
_hidden_ void fork_start_watchdog(void)
{
	if (pthread_mutex_trylock(&lock))
		return;
	watchdog_start();
	pthread_mutex_unlock(&lock);
}

/* A thread that had a loop ends; its loops have been left. */
_hidden_ void fork_thread_ended(void)
{
	if (!is_first_mortal || loops_are_in_use() || !lock_wait())
		return;
	watchdog_stop();
	pthread_mutex_unlock(&lock);
}

/*
 * watch_open() for whoever may be in a child that has not noticed yet. A daemon is told at once and
 * not when the watchdog comes round: a child may live for less than that. Keeps errno.
 */
_hidden_ bool fork_watch_open(void)
{
	int saved_errno = errno;
	bool was_open;

	if (watch_is_open() && !loops_are_ours())
		forget_all();
	was_open = watch_is_open();
	if (!was_open && watch_open())
		uplink_open();
	errno = saved_errno;
	return watch_is_open();
}
