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
 * the next turn on either side (fork.c), and so it is where a process changes who it is (ids.c).
 * libc does not know of it: it calls the kernel alone (thread.c).
 */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/prctl.h>

#include "base/kernel.h"
#include "config.h"
#include "fd-state.h"
#include "fork.h"
#include "loop.h"
#include "sample.h"
#include "scheduling.h"
#include "thread.h"
#include "uplink.h"
#include "watchdog.h"

/* Eight ticks: a service with five requests a second does not wake it anew for each. */
#define QUIET_TICKS 8
/* Far longer than a store takes to become visible to another core. */
#define PARK_GRACE_NS (50 * NSEC_PER_MSEC)
/* The longest a fork waits for the watchdog, and an exit for its last words. */
#define STOP_WAIT_NS   NSEC_PER_SEC
#define UNLIST_WAIT_NS (100 * NSEC_PER_MSEC)
#define EXIT_WAIT_NS   (200 * NSEC_PER_MSEC)

/* On a cache line that nothing else is written to. */
_hidden_ _Alignas(64) _Atomic uint64_t watchdog_tick;
_hidden_ _Atomic int watchdog_state = WATCHDOG_ABSENT;

static _Alignas(64) uint64_t n_ticks; /* goes on where it was when the watchdog looks again */

static _Atomic uint32_t stop_word; /* futex: changes when the watchdog is to stop */
static _Atomic bool is_stopping;
static _Atomic bool is_finishing; /* the process ends */
static bool is_stuck;		  /* it did not end in time: nobody waits for it again */

/* Futex of the thread that ends the process and waits for the last words. */
static _Atomic uint32_t last_words;
#define LAST_WORDS_NONE	  0
#define LAST_WORDS_WANTED 1
#define LAST_WORDS_SAID	  2

static void futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *timeout)
{
	kernel_call(SYS_futex, word, op, value, timeout);
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
	return clock_ticks_kernel(watch.clock_kind);
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

static void watchdog_main(void)
{
	unsigned int n_quiet = 0;
	bool may_open_files;

	kernel_call(SYS_prctl, PR_SET_NAME, "loophound");
	may_open_files = uplink_enter();
	scheduling_begin(may_open_files);
	sample_begin(may_open_files);
	/* The folder it began in would be in use for as long as it runs, and not be unmounted. */
	if (!kernel_call(SYS_unshare, CLONE_FS))
		kernel_call(SYS_chdir, "/");
	while (!atomic_load_explicit(&is_stopping, memory_order_acquire))
		watchdog_round(&n_quiet);
	scheduling_plan(0);
	say_last_words();
	sample_end();
	uplink_leave();
	atomic_store_explicit(&watchdog_tick, 0, memory_order_relaxed);
	atomic_store_explicit(&watchdog_state, WATCHDOG_ABSENT, memory_order_release);
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

/* Return: whether it is through, after a moment if need be. Under the lock of fork.c. */
static bool watchdog_wait(void)
{
	is_stuck = !thread_join(is_stuck ? 0 : clock_monotonic() + STOP_WAIT_NS);
	return !is_stuck;
}

/* Make the thread, unless it is there. Under the lock of fork.c. */
_hidden_ void watchdog_start(void)
{
	if (atomic_load_explicit(&watchdog_state, memory_order_acquire) != WATCHDOG_ABSENT ||
	    atomic_load_explicit(&is_finishing, memory_order_acquire))
		return;
	/* One that could not be waited for is through, but may not have left its stack yet. */
	if (!watchdog_wait())
		return;
	atomic_store_explicit(&is_stopping, false, memory_order_relaxed);
	atomic_store_explicit(&watchdog_state, WATCHDOG_AWAKE, memory_order_relaxed);
	if (!thread_start(watchdog_main)) {
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
 * End the thread and wait until it is gone. It sleeps, or is done within a sample; only a recording
 * on a disk that hangs can hold it, and then the caller goes on without waiting, and it ends when
 * it can. Under the lock of fork.c.
 */
_hidden_ void watchdog_stop(void)
{
	if (!thread_is_there())
		return;
	watchdog_tell_to_stop();
	if (watchdog_wait())
		thread_await_unlisted(clock_monotonic() + UNLIST_WAIT_NS);
}

/* It is to end, and nobody can wait for it. */
_hidden_ void watchdog_dismiss(void)
{
	if (thread_is_there())
		watchdog_tell_to_stop();
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
	thread_forget();
	is_stuck = false;
	atomic_store_explicit(&is_finishing, false, memory_order_relaxed);
	atomic_store_explicit(&last_words, LAST_WORDS_NONE, memory_order_relaxed);
	atomic_store_explicit(&watchdog_tick, 0, memory_order_relaxed);
	atomic_store_explicit(&watchdog_state, WATCHDOG_ABSENT, memory_order_relaxed);
}
