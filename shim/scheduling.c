/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scheduling: was it the callback that took long, or did nobody let it run?
 *
 * The kernel counts for each thread how long it ran and how long it could have run and was not let
 * (schedstat). The watchdog reads both when it first sees a turn or callback, and the second at
 * each look after that; the loop's thread subtracts when it reports. So the parts are exact to one
 * tick of the watchdog. A process that was stopped or throttled shows no other way than this: the
 * watchdog itself wakes much later than it meant to.
 *
 * Written by the watchdog, read by the loops' threads. A base is published by its seq, which the
 * reader compares; the rest are single words.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/kernel.h"
#include "scheduling.h"

/* Later than this and the process was stopped or starved, rather than a tick late. */
#define FREEZE_NS (50 * NSEC_PER_MSEC)
#define N_FREEZES 8

/* How much a thread had run and waited to run when a turn or callback began. */
struct schedule_base {
	_Atomic uint64_t seq; /* of the turn or callback; 0: being written */
	_Atomic uint64_t cpu_ns;
	_Atomic uint64_t run_queue_ns;
};

/* What is known of the thread of one loop. */
struct schedule {
	uint64_t turn_seq; /* what the watchdog saw last */
	uint64_t callback_seq;
	int32_t tid;
	int stat_fd; /* in the watchdog's table */
	struct schedule_base turn_base;
	struct schedule_base callback_base;
	_Atomic uint64_t run_queue_ns; /* at the last look */
};

struct freeze {
	_Atomic uint64_t start;
	_Atomic uint64_t end;
};

static struct schedule schedules[REGION_N_SLOTS];
static struct freeze freezes[N_FREEZES];
static unsigned int n_freezes;
static _Atomic uint64_t due; /* ticks: when the watchdog meant to look next; 0: not at all */
static bool may_open;

static uint64_t ticks_of(nsec_t span_ns)
{
	return clock_span_ticks(&watch.scale, span_ns);
}

/* "cpu_ns run_queue_ns n", Documentation/scheduler/sched-stats.rst. */
static bool schedstat_read(const struct schedule *schedule, uint64_t *ret_cpu_ns,
			   uint64_t *ret_run_queue_ns)
{
	uint64_t values[2] = {0};
	char text[96];
	unsigned int i = 0;
	long n;

	if (schedule->stat_fd < 0)
		return false;
	n = kernel_call(SYS_pread64, schedule->stat_fd, text, sizeof(text), 0);
	for (long at = 0; at < n && i < 2; at++) {
		if (text[at] >= '0' && text[at] <= '9')
			values[i] = values[i] * 10 + (uint64_t)(text[at] - '0');
		else
			i++;
	}
	*ret_cpu_ns = values[0];
	*ret_run_queue_ns = values[1];
	return n > 0;
}

static void schedstat_open(struct schedule *schedule, int32_t tid)
{
	char path[64];

	if (schedule->tid == tid || !may_open)
		return;
	if (schedule->tid && schedule->stat_fd >= 0)
		kernel_call(SYS_close, schedule->stat_fd);
	schedule->tid = tid;
	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", (int)tid);
	schedule->stat_fd = (int)kernel_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

/* The watchdog begins: the files of the one before it ended with its descriptor table. */
_hidden_ void scheduling_begin(bool may_open_files)
{
	may_open = may_open_files;
	for (unsigned int i = 0; i < REGION_N_SLOTS; i++) {
		schedules[i].tid = 0;
		schedules[i].stat_fd = -1;
	}
}

static void base_store(struct schedule_base *base, uint64_t seq, uint64_t cpu_ns,
		       uint64_t run_queue_ns)
{
	atomic_store_explicit(&base->seq, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&base->cpu_ns, cpu_ns, memory_order_relaxed);
	atomic_store_explicit(&base->run_queue_ns, run_queue_ns, memory_order_relaxed);
	atomic_store_explicit(&base->seq, seq, memory_order_release);
}

/* The watchdog sees this turn and callback of a loop, for the first time or again. */
_hidden_ void scheduling_see(const struct loop *loop, uint64_t turn_seq, uint64_t callback_seq)
{
	struct schedule *schedule = &schedules[loop->slot_index];
	bool is_new_turn = schedule->turn_seq != turn_seq;
	uint64_t cpu_ns, run_queue_ns;

	schedstat_open(schedule, loop->tid);
	if (!schedstat_read(schedule, &cpu_ns, &run_queue_ns))
		return;
	atomic_store_explicit(&schedule->run_queue_ns, run_queue_ns, memory_order_relaxed);
	if (is_new_turn)
		base_store(&schedule->turn_base, turn_seq, cpu_ns, run_queue_ns);
	if (is_new_turn || schedule->callback_seq != callback_seq)
		base_store(&schedule->callback_base, callback_seq, cpu_ns, run_queue_ns);
	schedule->turn_seq = turn_seq;
	schedule->callback_seq = callback_seq;
}

/* The watchdog means to look again at next (ticks; 0: not before it is woken). */
_hidden_ void scheduling_plan(uint64_t next)
{
	atomic_store_explicit(&due, next, memory_order_relaxed);
}

/* The watchdog looks now: much later than it meant to? */
_hidden_ void scheduling_note(uint64_t now)
{
	uint64_t planned = atomic_load_explicit(&due, memory_order_relaxed);
	struct freeze *freeze = &freezes[n_freezes % N_FREEZES];

	if (!planned || now < planned + ticks_of(FREEZE_NS))
		return;
	atomic_store_explicit(&freeze->end, 0, memory_order_relaxed);
	atomic_store_explicit(&freeze->start, planned, memory_order_relaxed);
	atomic_store_explicit(&freeze->end, now, memory_order_relaxed);
	n_freezes++;
}

static uint64_t freeze_overlap(uint64_t start, uint64_t end, uint64_t from, uint64_t to)
{
	uint64_t low = MAX(start, from), high = MIN(end, to);

	return high > low ? high - low : 0;
}

static nsec_t frozen_between(uint64_t start, uint64_t end)
{
	uint64_t planned = atomic_load_explicit(&due, memory_order_relaxed), sum = 0;

	for (unsigned int i = 0; i < N_FREEZES; i++)
		sum += freeze_overlap(start, end,
				      atomic_load_explicit(&freezes[i].start, memory_order_relaxed),
				      atomic_load_explicit(&freezes[i].end, memory_order_relaxed));
	/* It may be late this very moment: the loop's thread was let run first. */
	if (planned && end > planned + ticks_of(FREEZE_NS))
		sum += freeze_overlap(start, end, planned, end);
	return clock_span_ns(&watch.scale, sum);
}

/* What schedstat counts as the first of its figures (sum_exec_runtime), for the calling thread. */
static uint64_t own_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/*
 * How the loop's thread fared from start to end (ticks; end is now). Called by that thread, when a
 * callback or turn was slow. Parts that were not measured from its start on are -1.
 */
_hidden_ struct scheduling scheduling_between(const struct loop *loop, uint64_t start, uint64_t end)
{
	struct schedule *schedule = &schedules[loop->slot_index];
	struct schedule_base *base =
		start == loop->turn_start ? &schedule->turn_base : &schedule->callback_base;
	struct slot *slot = loop->slot;
	uint64_t seq = start == loop->turn_start ? slot->turn_seq : slot->callback_seq;
	uint64_t span_ns = clock_span_ns(&watch.scale, end - start), cpu_ns, run_queue_ns;
	struct scheduling found = {.cpu_ns = -1, .run_queue_ns = -1};
	uint64_t rest_ns = span_ns;

	if (atomic_load_explicit(&base->seq, memory_order_acquire) == seq) {
		cpu_ns = own_cpu_ns() - base->cpu_ns;
		run_queue_ns = schedule->run_queue_ns - base->run_queue_ns;
		found.cpu_ns = (int64_t)MIN(cpu_ns, span_ns);
		rest_ns = span_ns - (uint64_t)found.cpu_ns;
		found.run_queue_ns = (int64_t)MIN(run_queue_ns, rest_ns);
		rest_ns -= (uint64_t)found.run_queue_ns;
	}
	found.frozen_ns = (int64_t)MIN(frozen_between(start, end), rest_ns);
	return found;
}

/* In a fork child: everything noted was of the parent's threads. */
_hidden_ void scheduling_forget(void)
{
	memset(schedules, 0, sizeof(schedules));
	memset(freezes, 0, sizeof(freezes));
	n_freezes = 0;
	scheduling_plan(0);
}
