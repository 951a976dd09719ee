/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loop: where a turn ends and the next begins
 *
 * A loop runs while its framework says so (py/running.c calls loop_start() and loop_stop() with the
 * GIL held); in between, a turn runs from the return of the loop's own poll to the next entry.
 * Between two edges of a turn (the end of a callback as the framework shows it, py/callback.c) lies
 * one callback, together with the framework's own bookkeeping before it. What follows the last
 * edge is judged like a callback, since uvloop 0.17 runs data_received() outside any pair.
 *
 * An edge costs one clock read and stores to memory that this thread alone writes. Anything slow is
 * looked at out of line.
 *
 * A turn whose poll does not sleep (something is ready already) ends and begins at its last edge,
 * without a clock read of its own; the poll and the framework's bookkeeping are counted with the
 * callback that follows. That is sound as long as they are short, and whether they are is told by
 * the watchdog's tick: it comes more than once within any limit, so where it has not come since the
 * poll before, nothing has been long. A watchdog that is kept from running for longer than a limit
 * takes no samples either; such a stall is counted all the same, with the next callback.
 *
 * A thread keeps its slot from its first loop to its end, one for each framework, so that the
 * figures of consecutive loops add up. The key's destructor gives it free when the thread ends.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "emit.h"
#include "loop.h"
#include "retry.h"
#include "room.h"
#include "strict.h"

/* No tick of the watchdog is this. */
#define LOOP_NO_TICK UINT64_MAX

_hidden_ __thread struct loop *thread_loop __attribute__((tls_model("initial-exec")));

/* All of it is wiped in a child, however it was made. */
struct loop_memory {
	bool is_ours;
	struct loop loops[REGION_N_SLOTS];
};

static struct loop_memory *memory;
static pthread_key_t thread_end_key;
static bool has_thread_end_key;

static void loop_leave(struct loop *loop)
{
	atomic_store_explicit(&loop->tstate_raddr, 0, memory_order_release);
	atomic_store_explicit(&loop->slot->tstate_raddr, 0, memory_order_relaxed);
	atomic_store_explicit(&loop->slot->turn_start, 0, memory_order_release);
	atomic_store_explicit(&loop->slot->idle_since, 0, memory_order_relaxed);
	loop->is_open = false;
	loop->is_ready = false;
	loop->epoll_key = 0;
	loop->tid = 0;
	atomic_store_explicit(&loop->slot->state, SLOT_LEFT, memory_order_release);
	atomic_store_explicit(&loop->state, SLOT_LEFT, memory_order_release);
}

/* The thread of these slots ends: its figures stay until another thread needs the room. */
static void thread_ended(void *unused)
{
	int32_t tid = (int32_t)syscall(SYS_gettid);

	(void)unused;
	thread_loop = NULL;
	if (!watch_is_open() || !memory->is_ours)
		return;
	for (unsigned int i = 0; i < REGION_N_SLOTS; i++) {
		struct loop *loop = &memory->loops[i];

		if (loop->slot && loop->tid == tid)
			loop_leave(loop);
	}
}

/*
 * Make the memory for the loops. Called once, by the constructor.
 *
 * Return: false when there is none; then nothing is ever watched.
 */
_hidden_ bool loops_init(void)
{
	void *base = mmap(NULL, sizeof(*memory), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED)
		return false;
	/* Linux 4.14. A child of a raw clone() would else go on writing its parent's slots. */
	madvise(base, sizeof(*memory), MADV_WIPEONFORK);
	memory = base;
	memory->is_ours = true;
	has_thread_end_key = !pthread_key_create(&thread_end_key, thread_ended);
	return true;
}

/* False in a child that was made behind libc's back and has not been told yet. */
_hidden_ bool loops_are_ours(void)
{
	return memory->is_ours;
}

/* Whether this process is watched: not in a vfork child, which has its parent's memory. */
_hidden_ bool loops_run_here(void)
{
	return watch_is_open() && getpid() == watch.pid && memory->is_ours;
}

_hidden_ struct loop *loop_at(unsigned int index)
{
	return &memory->loops[index];
}

/* By our own word: the one in the slot can be written by the other side. */
static bool loop_take(struct loop *loop, uint32_t from_state)
{
	return atomic_compare_exchange_strong_explicit(&loop->state, &from_state, SLOT_USED,
						       memory_order_acq_rel, memory_order_relaxed);
}

static struct loop *loop_find(int32_t tid, enum framework framework)
{
	for (unsigned int i = 0; i < REGION_N_SLOTS; i++) {
		struct loop *loop = &memory->loops[i];

		if (atomic_load_explicit(&loop->state, memory_order_acquire) == SLOT_USED &&
		    loop->tid == tid && loop->framework == framework)
			return loop;
	}
	return NULL;
}

/* A free slot, else one whose thread is gone. NULL: 64 threads run loops at once. */
static struct loop *loop_make(int32_t tid, enum framework framework)
{
	static const uint32_t states[] = {SLOT_FREE, SLOT_LEFT};

	for (unsigned int s = 0; s < ARRAY_LEN(states); s++)
		for (unsigned int i = 0; i < REGION_N_SLOTS; i++) {
			struct loop *loop = &memory->loops[i];

			if (!loop_take(loop, states[s]))
				continue;
			loop->slot = region_slot(&watch.region, i);
			loop->slot_index = i;
			loop->edge = 0;
			loop->tid = tid;
			loop->framework = framework;
			return loop;
		}
	return NULL;
}

static void loop_describe(struct loop *loop, int epoll_fd)
{
	struct slot *slot = loop->slot;

	slot->tid = loop->tid;
	slot->framework = loop->framework;
	slot->epoll_fd = epoll_fd;
	slot->opened = clock_ticks(watch.clock_kind);
	prctl(PR_GET_NAME, slot->thread_name);
	atomic_store_explicit(&slot->state, SLOT_USED, memory_order_release);
	atomic_fetch_add_explicit(&slot->generation, 1, memory_order_release);
}

/*
 * A framework says that a loop runs on this thread from now on. epoll_fd is what it sleeps on;
 * tstate_raddr this thread's Python state, 0 when its frames cannot be read. Needs an open watch
 * and the GIL.
 *
 * Return: the loop; NULL when it cannot be watched, and that is counted.
 */
_hidden_ struct loop *loop_start(enum framework framework, int epoll_fd, uint64_t tstate_raddr)
{
	int32_t tid = (int32_t)syscall(SYS_gettid);
	struct loop *loop = loop_find(tid, framework);

	loop_stop();
	if (!loop)
		loop = loop_make(tid, framework);
	if (!loop) {
		watch_lost(LOSS_SLOTS_FULL);
		return NULL;
	}
	if (has_thread_end_key)
		pthread_setspecific(thread_end_key, loop);
	loop_describe(loop, epoll_fd);
	watch_refine_clock();
	atomic_store_explicit(&loop->tstate_raddr, tstate_raddr, memory_order_release);
	atomic_store_explicit(&loop->slot->tstate_raddr, tstate_raddr, memory_order_relaxed);
	loop->epoll_key = epoll_fd ^ LOOP_EPOLL_KEY;
	loop->carry = 0;
	loop->takes_epoll = false;
	thread_loop = loop;
	loop_turn_begin(loop);
	return loop;
}

/*
 * Whether the innermost frame is that of the method in which the loop runs, and not of a callback
 * that it has called. Where frames cannot be read it is taken for it. Through the kernel: this may
 * be a signal handler.
 */
static bool loop_polls_itself(const struct loop *loop)
{
	uint64_t tstate_raddr = atomic_load_explicit(&loop->tstate_raddr, memory_order_relaxed);
	struct pyframe_stack found;
	struct pyframe_text text;
	const char *name;
	size_t length;

	if (!watch.is_frames_ok)
		return true;
	if (pyframe_walk(&watch.pyframe, &watch.remote, tstate_raddr, &found) || !found.n_frames ||
	    pyframe_describe(&watch.pyframe, &watch.remote, &found.frames[0], &text))
		return false;
	/* Hub.run(), up to 3.10 without its class. */
	length = text.function_len;
	name = text.function + length - strlen("run");
	return length >= strlen("run") && !memcmp(name, "run", strlen("run")) &&
	       (length == strlen("run") || name[-1] == '.');
}

/* Return: whether this is what the loop itself sleeps on, found out by that it does. */
_hidden_ _cold_ bool loop_take_epoll(struct loop *loop, int epoll_fd)
{
	int saved_errno = errno;
	bool is_own = loop->epoll_key == (-1 ^ LOOP_EPOLL_KEY) && room_is_enough() &&
		      loop_polls_itself(loop);

	errno = saved_errno;
	if (!is_own)
		return false;
	loop->slot->epoll_fd = epoll_fd;
	loop->epoll_key = epoll_fd ^ LOOP_EPOLL_KEY;
	return true;
}

/* The framework says that this thread's loop runs no more: its turn ends here. */
_hidden_ void loop_stop(void)
{
	struct loop *loop = thread_loop;

	thread_loop = NULL;
	/* Wiped in a child made behind libc's back. */
	if (!loop || !loop->slot)
		return;
	loop_turn_end(loop);
	strict_flush(loop);
	atomic_store_explicit(&loop->slot->idle_since, 0, memory_order_relaxed);
	loop->epoll_key = 0;
}

/* In a fork child: the loops were the parent's. */
_hidden_ void loop_forget(void)
{
	thread_loop = NULL;
	memset(memory, 0, sizeof(*memory));
	memory->is_ours = true;
}

static void callback_reset(struct loop *loop)
{
	loop->is_noted = false;
	loop->callback_calls = 0;
	loop->callback_reported = 0;
	loop->callback_gil_wait = 0;
	loop->callback_collection = 0;
	loop->short_calls.sum = 0;
	loop->short_calls.max = 0;
	loop->short_calls.n = 0;
	loop->short_calls.stack.n_frames = 0;
	loop->refused_call = 0;
}

static void turn_remember(struct loop *loop, uint64_t span, const struct callee *callee)
{
	loop->turn_max = span;
	loop->turn_max_file_str = callee ? callee->file_str : ARENA_NONE;
	loop->turn_max_function_str = callee ? callee->function_str : ARENA_NONE;
	loop->turn_max_first_line = callee ? callee->first_line : 0;
}

/* A call that was left by a jump (siglongjmp() out of a handler) is over where its callback is. */
static _cold_ void call_left(struct loop *loop)
{
	loop->is_in_call = false;
	atomic_store_explicit(&loop->slot->call_start, 0, memory_order_release);
}

/*
 * The second look at a callback of span ticks that ended at now. callee names what it ran, NULL
 * when that is not known. Leaves the counters ready for the next one.
 */
_hidden_ _cold_ void loop_callback_slow(struct loop *loop, uint64_t now, uint64_t span,
					const struct callee *callee)
{
	int saved_errno = errno;

	if (loop->is_in_call)
		call_left(loop);
	/* A signal handler's calls must not change what is being told of. */
	loop->call_frame = LOOP_OUR_FRAME;
	loop->is_in_call = true;
	loop->is_turn_noted = true;
	retry_flush(loop);
	if (loop->gil_start)
		gil_flush(loop);
	if (loop->short_calls.sum >= watch.limits.slow_callback)
		emit_short_calls(loop);
	if (span >= watch.limits.slow_callback)
		emit_callback(loop, now, span, callee);
	if (span >= loop->callback_reported + loop->callback_gil_wait + watch.limits.slow_callback)
		loop->turn_slow++;
	if (span > loop->turn_max)
		turn_remember(loop, span, callee);
	callback_reset(loop);
	loop->is_in_call = false;
	errno = saved_errno;
}

static _cold_ void turn_slow(struct loop *loop, uint64_t now, uint64_t span)
{
	int saved_errno = errno;

	emit_turn(loop, now, span);
	errno = saved_errno;
}

/* The loop goes to its own poll, or stops. */
_hidden_ void loop_turn_end(struct loop *loop)
{
	uint64_t now, span, tail;

	if (unlikely(!loop->is_open))
		return;
	now = clock_ticks(watch.clock_kind);
	span = now - loop->turn_start;
	tail = now - loop->edge;
	if (unlikely(loop->is_noted || tail >= watch.limits.slow_callback)) {
		/* What ran after the last edge, for want of a pair a callback of its own. */
		if (tail >= watch.limits.slow_callback)
			loop_callback_edge(loop, now);
		loop_callback_slow(loop, now, tail, NULL);
	}
	if (unlikely(span >= watch.limits.long_turn))
		turn_slow(loop, now, span);
	if (unlikely(loop->has_strict))
		strict_turn_ended(loop, now);
	loop->is_open = false;
	loop->is_ready = false;
	loop->callback_calls = 0;
	loop->edge = now;
	loop->carry = span;
	hist_add(&loop->slot->turn, span);
	atomic_store_explicit(&loop->slot->idle_since, now, memory_order_relaxed);
	atomic_store_explicit(&loop->slot->turn_start, 0, memory_order_release);
}

/* The warm-up is over, or there is none: what is counted from now on is what gates are held to. */
static _cold_ void loop_warm(struct loop *loop, uint64_t now)
{
	struct slot *slot = loop->slot;

	loop->is_warm = now >= watch.limits.warm;
	atomic_store_explicit(&slot->is_warming, !loop->is_warm, memory_order_relaxed);
	if (!loop->is_warm || !watch.limits.warm)
		return;
	memset(&slot->turn, 0, sizeof(slot->turn));
	memset(&slot->callback, 0, sizeof(slot->callback));
	memset(&slot->lag, 0, sizeof(slot->lag));
	atomic_store_explicit(&slot->idle, 0, memory_order_relaxed);
	loop->carry = 0;
}

/* The loop's own poll has returned, or the loop has started. Keeps errno. */
_hidden_ void loop_turn_begin(struct loop *loop)
{
	struct slot *slot = loop->slot;
	uint64_t tick = atomic_load_explicit(&watchdog_tick, memory_order_relaxed);
	uint64_t now = clock_ticks(watch.clock_kind);
	uint64_t slept = now - loop->edge;

	if (likely(loop->edge)) {
		atomic_store_explicit(&slot->idle,
				      atomic_load_explicit(&slot->idle, memory_order_relaxed) +
					      slept,
				      memory_order_relaxed);
		if (slept > watch.limits.sleepless)
			loop->carry = 0;
	}
	if (unlikely(!loop->is_warm))
		loop_warm(loop, now);
	loop->edge = now;
	loop->turn_start = now;
	loop->lag_origin = now - loop->carry;
	loop->turn_first =
		(uint32_t)atomic_load_explicit(&slot->callback_seq, memory_order_relaxed);
	loop->turn_slow = 0;
	loop->turn_reported = 0;
	loop->turn_gil_wait = 0;
	loop->turn_collection = 0;
	loop->turn_max = 0;
	loop->is_turn_noted = false;
	loop->tick = tick && watch.limits.is_tick_enough ? tick : LOOP_NO_TICK;
	loop->depth = 0;
	if (unlikely(loop->is_in_call))
		call_left(loop);
	loop->is_open = true;
	loop->is_ready = loop->framework != FRAMEWORK_UVLOOP;
	atomic_store_explicit(&slot->callback_start, now, memory_order_relaxed);
	atomic_store_explicit(&slot->turn_seq,
			      atomic_load_explicit(&slot->turn_seq, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	atomic_store_explicit(&slot->turn_start, now, memory_order_release);
	watchdog_notice();
}
