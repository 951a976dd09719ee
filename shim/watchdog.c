/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watchdog: the one thread of ours
 *
 * A call that has returned is reported by the thread that made it. Only what has not ended needs
 * somebody else, who looks at every loop each tick (sample.c), notes how the loops' threads are
 * scheduled (scheduling.c) and keeps in touch with the daemon (uplink.c).
 *
 * It sleeps when no turn has been open for a while ("parked") and costs nothing then. Parking: it
 * says so, waits once more for PARK_GRACE_NS, looks again, and only then sleeps without limit. A
 * turn that opened meanwhile without seeing the word has long become visible by then, so the loop
 * threads need no memory fence in their turns.
 *
 * It has a descriptor table of its own (private-fd.c). It is joined before a fork and made again by
 * the next turn on either side (fork.c). It has all signals blocked, by pthread_sigmask(), so
 * that glibc's own setuid signal still reaches it. It takes no lock and allocates nothing.
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "config.h"
#include "fd-state.h"
#include "fork.h"
#include "loop.h"
#include "sample.h"
#include "scheduling.h"
#include "uplink.h"
#include "watchdog.h"

/* Eight ticks: a service with five requests a second does not wake it anew for each. */
#define QUIET_TICKS 8
/* Far longer than a store takes to become visible to another core. */
#define PARK_GRACE_NS (50 * NSEC_PER_MSEC)
/* The longest a fork waits for the watchdog, and an exit for its last words. */
#define UNLIST_WAIT_NS (100 * NSEC_PER_MSEC)
#define STOP_WAIT_S    1
#define EXIT_WAIT_NS   (200 * NSEC_PER_MSEC)
/* The deepest frame is a sample's pyframe_stack, record frames and text: under 16 KiB. */
#define STACK_BYTES (256u << 10)

/* On a cache line that nothing else is written to. */
_hidden_ _Alignas(64) _Atomic uint64_t watchdog_tick;
_hidden_ _Atomic int watchdog_state = WATCHDOG_ABSENT;

static _Alignas(64) uint64_t n_ticks; /* goes on where it was when the watchdog looks again */

static _Atomic uint32_t stop_word; /* futex: changes when the watchdog is to stop */
static _Atomic bool is_stopping;
static _Atomic bool is_finishing; /* the process ends */
static pthread_t thread;
static bool has_thread; /* to be joined; under the lock of fork.c */
static _Atomic pid_t thread_tid;

/* Futex of the thread that ends the process and waits for the last words. */
static _Atomic uint32_t last_words;
#define LAST_WORDS_NONE	  0
#define LAST_WORDS_WANTED 1
#define LAST_WORDS_SAID	  2

static long futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

static struct timespec timespec_of(nsec_t span_ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(span_ns / NSEC_PER_SEC),
		.tv_nsec = (long)(span_ns % NSEC_PER_SEC),
	};
}

static uint64_t now_ticks(void)
{
	return clock_ticks(watch.clock_kind);
}

static uint64_t ticks_of(nsec_t span_ns)
{
	return clock_span_ticks(&watch.scale, span_ns);
}

static void watchdog_sleep(nsec_t span_ns)
{
	struct timespec timeout = timespec_of(span_ns);
	uint32_t seen = atomic_load_explicit(&stop_word, memory_order_acquire);

	if (!atomic_load_explicit(&is_stopping, memory_order_acquire))
		futex(&stop_word, FUTEX_WAIT_PRIVATE, seen, &timeout);
}

/* Not private: a daemon that starts may wake us through the region, to be told we are here. */
static void watchdog_park(void)
{
	_Atomic uint32_t *park = &watch.region.header->park;
	struct timespec grace = timespec_of(PARK_GRACE_NS);

	scheduling_plan(0);
	atomic_store_explicit(park, 1, memory_order_relaxed);
	atomic_store_explicit(&watchdog_tick, 0, memory_order_relaxed);
	atomic_store_explicit(&watchdog_state, WATCHDOG_PARKED, memory_order_seq_cst);
	if (!atomic_load_explicit(&is_stopping, memory_order_seq_cst))
		futex(park, FUTEX_WAIT, 1, &grace);
	/* A daemon that has looked for parked ones before we were, was there before we look. */
	uplink_tend(clock_monotonic());
	while (atomic_load_explicit(park, memory_order_acquire) == 1 && !sample_any_open() &&
	       !atomic_load_explicit(&is_stopping, memory_order_acquire))
		futex(park, FUTEX_WAIT, 1, NULL);
	atomic_store_explicit(park, 0, memory_order_relaxed);
	atomic_store_explicit(&watchdog_state, WATCHDOG_AWAKE, memory_order_release);
}

/* Once the base is a second long the rate is good to 1e-7; one refinement is enough. */
static void refine_once(uint64_t now)
{
	static uint64_t refined_ticks0;

	if (refined_ticks0 == watch.scale.ticks0 ||
	    now - watch.scale.ticks0 < ticks_of(NSEC_PER_SEC))
		return;
	refined_ticks0 = watch.scale.ticks0;
	watch_refine_clock();
}

static void watchdog_round(unsigned int *n_quiet)
{
	uint64_t now, next;

	atomic_store_explicit(&watchdog_tick, ++n_ticks, memory_order_relaxed);
	now = now_ticks();
	scheduling_note(now);
	refine_once(now);
	fd_state_age(now);
	*n_quiet = sample_loops(now, &next) ? 0 : *n_quiet + 1;
	uplink_tend(clock_monotonic());
	if (*n_quiet >= QUIET_TICKS) {
		*n_quiet = 0;
		watchdog_park();
		return;
	}
	scheduling_plan(next);
	now = now_ticks();
	if (next > now)
		watchdog_sleep(clock_span_ns(&watch.scale, next - now));
}

static void say_last_words(void)
{
	uint32_t wanted = LAST_WORDS_WANTED;

	if (atomic_load_explicit(&last_words, memory_order_acquire) != wanted)
		return;
	uplink_finish();
	atomic_store_explicit(&last_words, LAST_WORDS_SAID, memory_order_release);
	futex(&last_words, FUTEX_WAKE_PRIVATE, 1, NULL);
}

static void *watchdog_main(void *unused)
{
	unsigned int n_quiet = 0;
	bool may_open_files;

	(void)unused;
	prctl(PR_SET_NAME, "loophound");
	atomic_store_explicit(&thread_tid, (pid_t)syscall(SYS_gettid), memory_order_relaxed);
	may_open_files = uplink_enter();
	scheduling_begin(may_open_files);
	sample_begin(may_open_files);
	/* Its root and working directory are its own: else setns() of a mount namespace fails. */
	unshare(CLONE_FS);
	while (!atomic_load_explicit(&is_stopping, memory_order_acquire))
		watchdog_round(&n_quiet);
	scheduling_plan(0);
	say_last_words();
	sample_end();
	uplink_leave();
	atomic_store_explicit(&watchdog_tick, 0, memory_order_relaxed);
	atomic_store_explicit(&watchdog_state, WATCHDOG_ABSENT, memory_order_release);
	return NULL;
}

static int watchdog_create(void)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int r;

	r = pthread_attr_init(&attr);
	if (r)
		return r;
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, &attr, watchdog_main, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return r;
}

static void park_end(void)
{
	_Atomic uint32_t *park = &watch.region.header->park;

	if (atomic_exchange_explicit(park, 0, memory_order_acq_rel))
		futex(park, FUTEX_WAKE, 1, NULL);
}

/* A turn has opened while the watchdog was parked or is not there. Keeps errno. */
_hidden_ _cold_ void watchdog_call(void)
{
	int saved_errno = errno;
	int state = atomic_load_explicit(&watchdog_state, memory_order_acquire);

	if (state == WATCHDOG_PARKED)
		park_end();
	else if (state == WATCHDOG_ABSENT && watch_is_open())
		fork_start_watchdog();
	errno = saved_errno;
}

/* Make the thread, unless it is there. Under the lock of fork.c. */
_hidden_ void watchdog_start(void)
{
	if (atomic_load_explicit(&watchdog_state, memory_order_acquire) != WATCHDOG_ABSENT ||
	    atomic_load_explicit(&is_finishing, memory_order_acquire))
		return;
	/* One that a fork could not wait for has ended since. */
	if (has_thread)
		pthread_join(thread, NULL);
	atomic_store_explicit(&is_stopping, false, memory_order_relaxed);
	atomic_store_explicit(&watchdog_state, WATCHDOG_AWAKE, memory_order_relaxed);
	has_thread = !watchdog_create();
	if (has_thread) {
		watch_detects(DETECTOR_SAMPLES);
	} else {
		watch_lost(LOSS_WATCHDOG_MISSING);
		atomic_store_explicit(&watchdog_state, WATCHDOG_REFUSED, memory_order_relaxed);
	}
}

static void watchdog_tell_to_stop(void)
{
	atomic_store_explicit(&is_stopping, true, memory_order_release);
	atomic_fetch_add_explicit(&stop_word, 1, memory_order_release);
	futex(&stop_word, FUTEX_WAKE_PRIVATE, 1, NULL);
	park_end();
}

/*
 * A joined thread has still to close its descriptors, and until it has it counts in
 * /proc/self/stat, where CPython 3.12 looks whether it forks in a process with threads.
 */
static void await_unlisted(pid_t tid)
{
	nsec_t until_ns = clock_monotonic() + UNLIST_WAIT_NS;

	while (!syscall(SYS_tgkill, watch.pid, tid, 0) && clock_monotonic() < until_ns)
		sched_yield();
}

/*
 * Before a fork: end the thread and wait until it is gone. It sleeps, or is done within a sample;
 * only a recording on a disk that hangs can hold it, and then the fork goes on without waiting.
 * Under the lock of fork.c.
 */
_hidden_ void watchdog_stop(void)
{
	struct timespec until;
	int cancel_state, r;

	if (!has_thread)
		return;
	watchdog_tell_to_stop();
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STOP_WAIT_S;
	/* Joining is a cancellation point, and fork() is none. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	r = pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until);
	pthread_setcancelstate(cancel_state, NULL);
	if (r) {
		atomic_store_explicit(&is_stopping, false, memory_order_release);
		return;
	}
	has_thread = false;
	await_unlisted(atomic_load_explicit(&thread_tid, memory_order_relaxed));
}

/* The process ends: the rest of a recording is written, by the watchdog if there is one. */
_hidden_ void watchdog_finish(void)
{
	nsec_t until_ns = clock_monotonic() + EXIT_WAIT_NS;
	struct timespec step = timespec_of(EXIT_WAIT_NS / 20);
	int state;

	/* Several threads may end the process at once; and no turn makes the watchdog anew now. */
	if (atomic_exchange_explicit(&is_finishing, true, memory_order_acq_rel))
		return;
	state = atomic_load_explicit(&watchdog_state, memory_order_acquire);

	if (state == WATCHDOG_ABSENT || state == WATCHDOG_REFUSED) {
		uplink_finish();
		return;
	}
	if (!*config.dir)
		return;
	atomic_store_explicit(&last_words, LAST_WORDS_WANTED, memory_order_release);
	watchdog_tell_to_stop();
	/* A signal ends a wait; what is left of the time is waited for again. */
	while (clock_monotonic() < until_ns &&
	       atomic_load_explicit(&last_words, memory_order_acquire) == LAST_WORDS_WANTED &&
	       atomic_load_explicit(&watchdog_state, memory_order_acquire) != WATCHDOG_ABSENT)
		futex(&last_words, FUTEX_WAIT_PRIVATE, LAST_WORDS_WANTED, &step);
}

/* In a fork child: everything noted was of the parent's threads. */
_hidden_ void watchdog_forget(void)
{
	sample_forget();
	scheduling_forget();
	has_thread = false;
	atomic_store_explicit(&is_finishing, false, memory_order_relaxed);
	atomic_store_explicit(&last_words, LAST_WORDS_NONE, memory_order_relaxed);
	atomic_store_explicit(&watchdog_tick, 0, memory_order_relaxed);
	atomic_store_explicit(&watchdog_state, WATCHDOG_ABSENT, memory_order_relaxed);
}
