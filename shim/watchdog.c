/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watchdog: the one thread of ours
 *
 * A call that has returned is reported by the thread that made it. Only what has not ended needs
 * somebody else: the watchdog looks at every loop each tick, and from half a limit on at the moment
 * the next limit is reached, and takes the Python stack of the loop's thread without the GIL,
 * through the kernel, so that a pointer that goes stale meanwhile is an error and not a crash.
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
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "config.h"
#include "emit.h"
#include "fork.h"
#include "intern.h"
#include "uplink.h"
#include "watchdog.h"
#include "wire/ring.h"

/* 40 looks a second: a stall is seen at its limit all the same, since limits are above two ticks.
 */
#define TICK_NS (25 * NSEC_PER_MSEC)
/* Eight ticks: a service with five requests a second does not wake it anew for each. */
#define QUIET_TICKS 8
/* Far longer than a store takes to become visible to another core. */
#define PARK_GRACE_NS  (50 * NSEC_PER_MSEC)
#define SAMPLE_STEP_NS (20 * NSEC_PER_MSEC)
/* From here on samples come at twice the distance each, up to the largest step. */
#define SAMPLE_SLOWER_AFTER_NS (1 * NSEC_PER_SEC)
#define SAMPLE_MAX_STEP_NS     (10 * NSEC_PER_SEC)
/* Later than this and the process was stopped or starved, rather than a tick late. */
#define FREEZE_NS (50 * NSEC_PER_MSEC)
#define N_FREEZES 8
/* The longest a fork waits for the watchdog, and an exit for its last words. */
#define UNLIST_WAIT_NS (100 * NSEC_PER_MSEC)
#define STOP_WAIT_S    1
#define EXIT_WAIT_NS   (200 * NSEC_PER_MSEC)
/* The deepest frame is a sample's pyframe_stack, record frames and text: under 16 KiB. */
#define STACK_BYTES (256u << 10)

/* How much a thread had run and waited to run when a turn or callback began. */
struct schedule_base {
	_Atomic uint64_t seq; /* of the turn or callback; 0: being written */
	_Atomic uint64_t cpu_ns;
	_Atomic uint64_t run_queue_ns;
};

/* The watchdog's own notes on one loop. Bases are read by the loop's thread. */
struct attention {
	uint64_t turn_seq;
	uint64_t callback_seq;
	uint64_t next_sample; /* ticks */
	nsec_t step_ns;
	uint64_t call_sampled; /* start of the call last sampled */
	int32_t schedstat_tid;
	int schedstat_fd;
	struct schedule_base turn_base;
	struct schedule_base callback_base;
	_Atomic uint64_t run_queue_ns; /* at the last look */
};

/* What a slot showed at one moment. */
struct look {
	uint64_t turn_seq;
	uint64_t callback_seq; /* of the running one */
	uint64_t turn_start;
	uint64_t callback_start;
	uint64_t call_start;
	uint32_t call_str;
	int32_t call_fd;
};

struct freeze {
	_Atomic uint64_t start;
	_Atomic uint64_t end;
};

_hidden_ _Atomic int watchdog_state = WATCHDOG_ABSENT;

static struct attention attentions[REGION_N_SLOTS];
static struct freeze freezes[N_FREEZES];
static unsigned int n_freezes;
static _Atomic uint64_t due;	   /* ticks: when the watchdog meant to look next; 0: not at all */
static _Atomic uint32_t stop_word; /* futex: changes when the watchdog is to stop */
static _Atomic bool is_stopping;
static pthread_t thread;
static bool has_thread; /* to be joined; under the lock of fork.c */
static _Atomic pid_t thread_tid;
static bool may_open; /* the watchdog has a descriptor table of its own */

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

/* ---- how a thread is scheduled ---- */

/* "cpu_ns run_queue_ns n", Documentation/scheduler/sched-stats.rst. */
static bool schedstat_read(const struct attention *attention, uint64_t *ret_cpu_ns,
			   uint64_t *ret_run_queue_ns)
{
	uint64_t values[2] = {0};
	char text[96];
	unsigned int i = 0;
	ssize_t n;

	if (attention->schedstat_fd < 0)
		return false;
	n = pread(attention->schedstat_fd, text, sizeof(text), 0);
	for (ssize_t at = 0; at < n && i < 2; at++) {
		if (text[at] >= '0' && text[at] <= '9')
			values[i] = values[i] * 10 + (uint64_t)(text[at] - '0');
		else
			i++;
	}
	*ret_cpu_ns = values[0];
	*ret_run_queue_ns = values[1];
	return n > 0;
}

static void schedstat_open(struct attention *attention, int32_t tid)
{
	char path[64];

	if (attention->schedstat_tid == tid || !may_open)
		return;
	if (attention->schedstat_tid && attention->schedstat_fd >= 0)
		REAL(close)(attention->schedstat_fd);
	attention->schedstat_tid = tid;
	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", (int)tid);
	attention->schedstat_fd = open(path, O_RDONLY | O_CLOEXEC);
}

/* The watchdog begins: those of the one before it ended with its descriptor table. */
static void schedstats_forget(void)
{
	for (unsigned int i = 0; i < REGION_N_SLOTS; i++) {
		attentions[i].schedstat_tid = 0;
		attentions[i].schedstat_fd = -1;
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

static void bases_update(struct attention *attention, const struct look *look)
{
	uint64_t cpu_ns, run_queue_ns;

	if (!schedstat_read(attention, &cpu_ns, &run_queue_ns))
		return;
	atomic_store_explicit(&attention->run_queue_ns, run_queue_ns, memory_order_relaxed);
	if (attention->turn_seq != look->turn_seq)
		base_store(&attention->turn_base, look->turn_seq, cpu_ns, run_queue_ns);
	if (attention->turn_seq != look->turn_seq || attention->callback_seq != look->callback_seq)
		base_store(&attention->callback_base, look->callback_seq, cpu_ns, run_queue_ns);
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
_hidden_ struct scheduling watchdog_scheduling(const struct loop *loop, uint64_t start,
					       uint64_t end)
{
	struct attention *attention = &attentions[loop->slot_index];
	struct schedule_base *base =
		start == loop->turn_start ? &attention->turn_base : &attention->callback_base;
	struct slot *slot = loop->slot;
	uint64_t seq = start == loop->turn_start ? slot->turn_seq : slot->callback_seq;
	uint64_t span_ns = clock_span_ns(&watch.scale, end - start), cpu_ns, run_queue_ns;
	struct scheduling found = {.cpu_ns = -1, .run_queue_ns = -1};
	uint64_t rest_ns = span_ns;

	if (atomic_load_explicit(&base->seq, memory_order_acquire) == seq) {
		cpu_ns = own_cpu_ns() - base->cpu_ns;
		run_queue_ns = attention->run_queue_ns - base->run_queue_ns;
		found.cpu_ns = (int64_t)MIN(cpu_ns, span_ns);
		rest_ns = span_ns - (uint64_t)found.cpu_ns;
		found.run_queue_ns = (int64_t)MIN(run_queue_ns, rest_ns);
		rest_ns -= (uint64_t)found.run_queue_ns;
	}
	found.frozen_ns = (int64_t)MIN(frozen_between(start, end), rest_ns);
	return found;
}

/* ---- looking at the loops ---- */

/* Return: whether a turn is open and the look is of one moment. */
static bool look_take(struct slot *slot, struct look *ret_look)
{
	struct look *look = ret_look;
	uint64_t turn_start = atomic_load_explicit(&slot->turn_start, memory_order_acquire);

	look->turn_start = turn_start;
	look->turn_seq = atomic_load_explicit(&slot->turn_seq, memory_order_acquire);
	look->callback_seq = atomic_load_explicit(&slot->callback_seq, memory_order_acquire) + 1;
	look->callback_start = atomic_load_explicit(&slot->callback_start, memory_order_acquire);
	look->call_start = atomic_load_explicit(&slot->call_start, memory_order_acquire);
	look->call_str = atomic_load_explicit(&slot->call_str, memory_order_relaxed);
	look->call_fd = atomic_load_explicit(&slot->call_fd, memory_order_relaxed);
	return turn_start &&
	       turn_start == atomic_load_explicit(&slot->turn_start, memory_order_acquire);
}

static bool look_still_holds(struct slot *slot, const struct look *look)
{
	struct look again;

	return look_take(slot, &again) && again.turn_seq == look->turn_seq &&
	       again.callback_seq == look->callback_seq && again.call_start == look->call_start;
}

static bool call_is_over(const struct look *look, uint64_t now)
{
	return look->call_start && now >= look->call_start + watch.limits.blocking_call;
}

/* Nothing has reached its limit yet. */
static bool look_is_early(const struct look *look, uint64_t now)
{
	return !call_is_over(look, now) &&
	       now < look->callback_start + watch.limits.slow_callback &&
	       now < look->turn_start + watch.limits.long_turn;
}

static void sample_emit(const struct loop *loop, const struct look *look, uint64_t now,
			const struct stack_buf *stack)
{
	uint32_t frames_bytes = stack->stack.n_frames * (uint32_t)sizeof(stack->frames[0]);
	uint32_t size_bytes = (uint32_t)sizeof(struct record_sample) + frames_bytes;
	bool is_call = call_is_over(look, now), is_early = look_is_early(look, now);
	struct record_sample *record =
		(struct record_sample *)ring_reserve(&watch.region, size_bytes);

	if (!record) {
		watch_lost(LOSS_RING_FULL);
		return;
	}
	record->head.type = RECORD_SAMPLE;
	record->head.flags = is_early ? RECORD_FLAG_EARLY : 0;
	record->head.ticks = now;
	record->slot = loop->slot_index;
	record->what = is_call ? RECORD_WHAT_CALL : RECORD_WHAT_CALLBACK;
	record->turn_seq = look->turn_seq;
	record->callback_seq = look->callback_seq;
	record->start = is_call ? look->call_start : look->callback_start;
	record->turn_start = look->turn_start;
	record->call_str = is_call ? look->call_str : ARENA_NONE;
	record->fd = is_call ? look->call_fd : -1;
	record->stack = stack->stack;
	memcpy(record + 1, stack->frames, frames_bytes);
	ring_commit(&record->head, size_bytes);
}

/* The stack is void if the thread went on meanwhile: another one follows soon. */
static void sample_take(struct loop *loop, const struct look *look, uint64_t now)
{
	uint64_t tstate_raddr = atomic_load_explicit(&loop->tstate_raddr, memory_order_acquire);
	struct pyframe_stack found;
	struct stack_buf stack = {.stack = {.end = PYFRAME_END_UNREADABLE}};

	if (!tstate_raddr)
		return;
	if (!pyframe_walk_stable(&watch.pyframe, &watch.remote, tstate_raddr, &found))
		emit_stack_names(&watch.remote, &found, &stack);
	if (!look_still_holds(loop->slot, look))
		return;
	/* Most early samples are of callbacks that never get slow: what they lack, nobody misses.
	 */
	if (!look_is_early(look, now))
		emit_stack_loss(&stack.stack);
	sample_emit(loop, look, now, &stack);
}

static uint64_t sample_first(const struct look *look)
{
	return look->turn_start + MIN(watch.limits.slow_callback, watch.limits.long_turn) / 2;
}

/* The step on, but not past the moment at which a limit is reached. */
static uint64_t sample_next(struct attention *attention, const struct look *look, uint64_t now)
{
	uint64_t limits[] = {look->callback_start + watch.limits.slow_callback,
			     look->turn_start + watch.limits.long_turn};
	uint64_t next;

	/* A call that waits stands where it stood; only that it still does is news. */
	if (look->call_start || now - look->turn_start > ticks_of(SAMPLE_SLOWER_AFTER_NS))
		attention->step_ns = MIN(attention->step_ns * 2, SAMPLE_MAX_STEP_NS);
	next = now + ticks_of(attention->step_ns);
	if (look->call_start)
		return next;
	for (unsigned int i = 0; i < ARRAY_LEN(limits); i++)
		if (limits[i] > now && limits[i] < next)
			next = limits[i];
	return next;
}

static void attention_turn(struct attention *attention, const struct look *look)
{
	bases_update(attention, look);
	if (attention->turn_seq != look->turn_seq) {
		attention->next_sample = sample_first(look);
		attention->step_ns = SAMPLE_STEP_NS;
		attention->call_sampled = 0;
	}
	attention->turn_seq = look->turn_seq;
	attention->callback_seq = look->callback_seq;
}

/* A call past its limit, or the end of one: what follows is sampled from anew. */
static void attention_call(struct attention *attention, const struct look *look, uint64_t now)
{
	bool is_new = call_is_over(look, now) && attention->call_sampled != look->call_start;
	bool is_past = !look->call_start && attention->call_sampled;

	if (!is_new && !is_past)
		return;
	attention->call_sampled = look->call_start;
	attention->next_sample = now;
	attention->step_ns = SAMPLE_STEP_NS;
}

/* One loop. Return: when to look again at the latest, in ticks. */
static uint64_t watchdog_examine(struct loop *loop, const struct look *look, uint64_t now)
{
	struct attention *attention = &attentions[loop->slot_index];
	uint64_t next;

	schedstat_open(attention, loop->tid);
	attention_turn(attention, look);
	attention_call(attention, look, now);
	if (now >= attention->next_sample) {
		sample_take(loop, look, now);
		attention->next_sample = sample_next(attention, look, now);
	}
	next = attention->next_sample;
	if (look->call_start && attention->call_sampled != look->call_start)
		next = MIN(next, look->call_start + watch.limits.blocking_call);
	return next;
}

/* All loops. Return: whether a turn was open or has passed since the last look. */
static bool watchdog_look(uint64_t now, uint64_t *ret_next)
{
	bool is_busy = false;

	*ret_next = now + ticks_of(TICK_NS);
	for (unsigned int i = 0; i < REGION_N_SLOTS; i++) {
		struct loop *loop = loop_at(i);
		struct slot *slot = region_slot(&watch.region, i);
		struct look look;

		if (atomic_load_explicit(&slot->state, memory_order_acquire) != SLOT_USED)
			continue;
		if (look_take(slot, &look)) {
			*ret_next = MIN(*ret_next, watchdog_examine(loop, &look, now));
			is_busy = true;
		} else if (look.turn_seq != attentions[i].turn_seq) {
			attentions[i].turn_seq = look.turn_seq;
			is_busy = true;
		}
	}
	return is_busy;
}

/* ---- life ---- */

static void watchdog_sleep(nsec_t span_ns)
{
	struct timespec timeout = timespec_of(span_ns);
	uint32_t seen = atomic_load_explicit(&stop_word, memory_order_acquire);

	if (!atomic_load_explicit(&is_stopping, memory_order_acquire))
		futex(&stop_word, FUTEX_WAIT_PRIVATE, seen, &timeout);
}

static bool any_turn_is_open(void)
{
	for (unsigned int i = 0; i < REGION_N_SLOTS; i++)
		if (atomic_load_explicit(&region_slot(&watch.region, i)->turn_start,
					 memory_order_acquire))
			return true;
	return false;
}

/* Not private: a daemon that starts may wake us through the region, to be told we are here. */
static void watchdog_park(void)
{
	_Atomic uint32_t *park = &watch.region.header->park;
	struct timespec grace = timespec_of(PARK_GRACE_NS);

	atomic_store_explicit(&due, 0, memory_order_relaxed);
	atomic_store_explicit(park, 1, memory_order_relaxed);
	atomic_store_explicit(&watchdog_state, WATCHDOG_PARKED, memory_order_seq_cst);
	futex(park, FUTEX_WAIT, 1, &grace);
	while (atomic_load_explicit(park, memory_order_acquire) == 1 && !any_turn_is_open() &&
	       !atomic_load_explicit(&is_stopping, memory_order_acquire))
		futex(park, FUTEX_WAIT, 1, NULL);
	atomic_store_explicit(park, 0, memory_order_relaxed);
	atomic_store_explicit(&watchdog_state, WATCHDOG_AWAKE, memory_order_release);
}

static void note_freeze(uint64_t now)
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
	uint64_t now = now_ticks(), next;

	note_freeze(now);
	refine_once(now);
	*n_quiet = watchdog_look(now, &next) ? 0 : *n_quiet + 1;
	uplink_tend(clock_span_ns(&watch.scale, now));
	if (*n_quiet >= QUIET_TICKS) {
		*n_quiet = 0;
		watchdog_park();
		return;
	}
	atomic_store_explicit(&due, next, memory_order_relaxed);
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

	(void)unused;
	prctl(PR_SET_NAME, "loophound");
	atomic_store_explicit(&thread_tid, (pid_t)syscall(SYS_gettid), memory_order_relaxed);
	may_open = uplink_enter();
	schedstats_forget();
	while (!atomic_load_explicit(&is_stopping, memory_order_acquire))
		watchdog_round(&n_quiet);
	atomic_store_explicit(&due, 0, memory_order_relaxed);
	say_last_words();
	uplink_leave();
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
	if (atomic_load_explicit(&watchdog_state, memory_order_acquire) != WATCHDOG_ABSENT)
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

	if (!has_thread)
		return;
	watchdog_tell_to_stop();
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += STOP_WAIT_S;
	if (pthread_timedjoin_np(thread, NULL, &until)) {
		atomic_store_explicit(&is_stopping, false, memory_order_release);
		return;
	}
	has_thread = false;
	await_unlisted(atomic_load_explicit(&thread_tid, memory_order_relaxed));
}

/* The process ends: what is not yet in the recording is written, by the watchdog if there is one.
 */
_hidden_ void watchdog_finish(void)
{
	struct timespec timeout = timespec_of(EXIT_WAIT_NS);
	int state = atomic_load_explicit(&watchdog_state, memory_order_acquire);

	if (state == WATCHDOG_ABSENT || state == WATCHDOG_REFUSED) {
		uplink_finish();
		return;
	}
	if (!*config.dir)
		return;
	atomic_store_explicit(&last_words, LAST_WORDS_WANTED, memory_order_release);
	watchdog_tell_to_stop();
	futex(&last_words, FUTEX_WAIT_PRIVATE, LAST_WORDS_WANTED, &timeout);
}

/* In a fork child: everything noted was of the parent's threads. */
_hidden_ void watchdog_forget(void)
{
	memset(attentions, 0, sizeof(attentions));
	memset(freezes, 0, sizeof(freezes));
	n_freezes = 0;
	has_thread = false;
	atomic_store_explicit(&last_words, LAST_WORDS_NONE, memory_order_relaxed);
	atomic_store_explicit(&due, 0, memory_order_relaxed);
	atomic_store_explicit(&watchdog_state, WATCHDOG_ABSENT, memory_order_relaxed);
}
