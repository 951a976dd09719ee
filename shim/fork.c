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
 * of theirs. A signal handler that forks on top of its holder does not wait for it, and nobody
 * waits for longer than a moment.
 *
 * A child can also be made behind libc's back (_Fork, a raw clone). It finds the memory of the
 * loops wiped, which is how it is recognised at the next slow step it takes; until then it finds no
 * open turn, and nothing of ours happens in it.
 *
 * vfork and posix_spawn do not come here and need nothing: the child execs or ends.
 */
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "emit.h"
#include "fork.h"
#include "loop.h"
#include "made.h"
#include "py/cancel.h"
#include "py/dropped.h"
#include "py/flood.h"
#include "py/generator.h"
#include "py/unreferenced.h"
#include "uplink.h"
#include "watch.h"
#include "watchdog.h"

/* A watchdog is made in 100 us. Beyond this its holder is kept from running. */
#define LOCK_WAIT_NS (100 * NSEC_PER_MSEC)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Whether this thread has the lock, or is about to: a handler on top of it must not wait then. */
static __thread volatile bool is_holder __attribute__((tls_model("initial-exec")));
/* Of the thread that forks: whether it holds the lock. */
static __thread bool is_locked __attribute__((tls_model("initial-exec")));

static void forget_all(void)
{
	watchdog_forget();
	loop_forget();
	emit_forget();
	cancel_forget();
	generator_forget();
	dropped_forget();
	flood_forget();
	unreferenced_forget();
	made_forget();
	uplink_forget();
	watch_forget();
}

static bool lock_try(void)
{
	if (is_holder)
		return false;
	is_holder = true;
	is_holder = !pthread_mutex_trylock(&lock);
	return is_holder;
}

static bool lock_wait(void)
{
	nsec_t until_ns = clock_monotonic() + LOCK_WAIT_NS;
	struct timespec until = {
		.tv_sec = (time_t)(until_ns / NSEC_PER_SEC),
		.tv_nsec = (long)(until_ns % NSEC_PER_SEC),
	};

	if (is_holder)
		return false;
	/* A sanitizer for threads knows of a lock that is taken so, and not of the other. */
	if (lock_try())
		return true;
	is_holder = true;
	is_holder = !pthread_mutex_clocklock(&lock, CLOCK_MONOTONIC, &until);
	return is_holder;
}

static void lock_release(void)
{
	pthread_mutex_unlock(&lock);
	is_holder = false;
}

/*
 * End the watchdog until fork_release_watchdog(), so that the process has the program's threads
 * alone. Changes errno.
 *
 * Return: false when the lock could not be had; then there is nothing to release.
 */
_hidden_ bool fork_hold_watchdog(void)
{
	if (!lock_wait())
		return false;
	watchdog_stop();
	return true;
}

_hidden_ void fork_release_watchdog(void)
{
	lock_release();
}

static void fork_prepare(void)
{
	int saved_errno = errno;

	/* In a child made behind libc's back there is no watchdog to wait for. */
	if (watch_is_open() && !loops_are_ours())
		forget_all();
	is_locked = fork_hold_watchdog();
	errno = saved_errno;
}

static void fork_parent(void)
{
	if (is_locked)
		fork_release_watchdog();
	is_locked = false;
}

static void fork_child(void)
{
	int saved_errno = errno;

	is_locked = false;
	is_holder = false;
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
	if (!lock_try())
		return;
	watchdog_start();
	lock_release();
}

/*
 * watch_open() for whoever may be in a child that has not noticed yet. A daemon is told at once and
 * not when the watchdog comes round: a child may live for less than that. Keeps errno.
 */
_hidden_ bool fork_watch_open(void)
{
	int saved_errno = errno;
	bool was_open;

	/* Its memory is wiped too in a child of a process that had nothing to watch yet. */
	if (!loops_are_ours())
		forget_all();
	was_open = watch_is_open();
	if (!was_open && watch_open())
		uplink_open();
	errno = saved_errno;
	return watch_is_open();
}
