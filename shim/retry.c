/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retry: one wait that a library makes of many sleeps
 *
 * SQLite waits for a lock that another has by asking again and again, with a sleep between: of 1,
 * 2, 5, 10, 15, 20, 25, 25, 25, 50, 50 and then 100 ms (sqliteDefaultBusyCallback(),
 * src/main.c, 3.40; by usleep(), by nanosleep() in 3.46). To whoever waits for its database that is
 * one call. So sleeps from the same place in the code, in one callback, count as one while each
 * asks for more than the first did: a wait that is another's begins with the first span again. What
 * the library does between the sleeps is no part of it. It is told of when the callback ends or the
 * next begins; one that stays below the limit is one of the short calls.
 *
 * It waited for the file whose lock was refused just before: with no other hooked call between. A
 * lock of the same process is refused by SQLite itself and asks nobody; that wait has no target.
 *
 * In strict mode each sleep is a call.
 */
#include <string.h>
#include <time.h>

#include "emit.h"
#include "exempt.h"
#include "py/gil.h"
#include "retry.h"
#include "target.h"

/* What begins with a longer sleep is a sleep, and told of at once. */
#define FIRST_MAX_NS (10 * NSEC_PER_MSEC)

/* What a sleep asked for; 0 when that cannot be read any more. */
static uint64_t asked_ns(const struct call_about *about)
{
	struct timespec span;

	if (!about->what)
		return about->more * NSEC_PER_USEC;
	if (mem_read(&watch.remote, (uint64_t)(uintptr_t)about->what, &span, sizeof(span)))
		return 0;
	return (uint64_t)span.tv_sec * NSEC_PER_SEC + (uint64_t)span.tv_nsec;
}

/* A wait that is long enough by itself is written down with its task; the stack is the same. */
static void tell_more(struct loop *loop, struct retry *retry)
{
	struct stack_buf stack;

	retry->is_long = true;
	retry->calls.is_import = !emit_call_stack(loop, retry->start, &stack);
	retry->calls.stack = stack.stack;
	memcpy(retry->calls.frames, stack.frames, stack.stack.n_frames * sizeof(stack.frames[0]));
}

static void retry_begin(struct loop *loop, const struct call_about *about, uint64_t first_ns)
{
	struct retry *retry = &loop->retry;
	struct stack_buf stack;

	retry->caller = about->caller;
	retry->first_ns = first_ns;
	retry->start = loop->call_start;
	retry->turn_seq = emit_turn_seq(loop);
	retry->callback_seq = emit_running_seq(loop);
	retry->is_long = false;
	retry->calls.sum = 0;
	retry->calls.n = 0;
	retry->calls.hook = about->hook;
	retry->calls.fd = -1;
	retry->calls.target_str = ARENA_NONE;
	retry->calls.gil_flags = gil_record_flags();
	emit_own_stack(loop->tstate_raddr, &stack);
	retry->calls.is_import = exempt_is_import(&stack);
	retry->calls.stack = stack.stack;
	memcpy(retry->calls.frames, stack.frames, stack.stack.n_frames * sizeof(stack.frames[0]));
}

/* The sleep itself is the one call since the lock was refused. */
static void target_find(struct loop *loop, struct retry *retry)
{
	struct call_about about = {.subject = SUBJECT_FD, .fd = loop->refused_fd};

	if (retry->calls.fd >= 0 || loop->callback_calls != loop->refused_call)
		return;
	retry->calls.fd = loop->refused_fd;
	retry->calls.target_str = target_of(&about);
}

/*
 * A sleep of span ticks that a library may have made to ask again after it. Return: false when it
 * is not one of that kind, and a call like any other.
 */
_hidden_ bool retry_step(struct loop *loop, const struct call_about *about, uint64_t span,
			 int error)
{
	struct retry *retry = &loop->retry;
	uint64_t ns;

	if (about->subject != SUBJECT_SLEEP || watch.options.is_strict || error)
		return false;
	ns = asked_ns(about);
	if (!retry->calls.n || retry->caller != about->caller || ns <= retry->first_ns) {
		retry_flush(loop);
		if (ns > FIRST_MAX_NS)
			return false;
		retry_begin(loop, about, ns);
	}
	loop->is_noted = true;
	retry->calls.sum += span;
	retry->calls.n++;
	target_find(loop, retry);
	if (!retry->is_long && retry->calls.sum >= watch.limits.blocking_call)
		tell_more(loop, retry);
	return true;
}

static void add_to_short(struct short_calls *all, const struct short_calls *calls)
{
	uint64_t sum = all->sum + calls->sum;
	uint32_t n = all->n + calls->n;

	if (calls->sum > all->max) {
		*all = *calls;
		all->max = calls->sum;
	}
	all->sum = sum;
	all->n = n;
}

/* The wait is over. */
_hidden_ void retry_flush(struct loop *loop)
{
	struct retry *retry = &loop->retry;

	if (!retry->calls.n)
		return;
	if (retry->is_long)
		emit_retry(loop);
	else
		add_to_short(&loop->short_calls, &retry->calls);
	retry->calls.n = 0;
}
