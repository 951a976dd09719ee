/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call: the second look at a hooked call that took its time
 *
 * A call counts when it held the loop for the limit, and several short ones when together they held
 * one callback for the callback's limit; these are summed here and reported when it ends. A
 * descriptor that does not wait is never blamed: what such a call lost, it lost on the run queue.
 */
#include <errno.h>
#include <string.h>

#include "call.h"
#include "emit.h"
#include "exempt.h"
#include "py/gil.h"
#include "retry.h"
#include "room.h"
#include "strict.h"
#include "target.h"

/* A stack for a summed call is worth its microseconds only if the call is not among the smallest.
 */
#define SHORT_STACK_NS (200 * NSEC_PER_USEC)

static void short_call_add(struct loop *loop, const struct call_about *about, uint64_t span)
{
	struct short_calls *calls = &loop->short_calls;
	struct stack_buf stack;

	calls->sum += span;
	calls->n++;
	if (span <= calls->max ||
	    (calls->max && span < clock_span_ticks(&watch.scale, SHORT_STACK_NS)))
		return;
	emit_own_stack(loop->tstate_raddr, &stack);
	calls->max = span;
	calls->hook = about->hook;
	calls->fd = about->fd;
	calls->target_str = target_of(about);
	calls->gil_flags = gil_record_flags();
	calls->is_import = exempt_is_import(&stack);
	calls->stack = stack.stack;
	memcpy(calls->frames, stack.frames, stack.stack.n_frames * sizeof(stack.frames[0]));
}

static bool can_wait(const struct call_about *about)
{
	return (about->nature != CALL_BY_FD && about->nature != CALL_WRITE) ||
	       fd_state_ask(about->fd);
}

static bool is_counted_strictly(struct loop *loop, const struct call_about *about, uint64_t now,
				int error)
{
	return watch.options.is_strict && strict_wants(about, error) && !room_is_signal_stack() &&
	       strict_count(loop, about, now, error);
}

static void call_is_told(struct loop *loop, uint64_t span)
{
	loop->is_noted = true;
	loop->callback_reported += span;
	loop->turn_reported += span;
}

/* A call of span ticks, which is the floor at least, or any in strict mode. */
static void call_look(struct loop *loop, const struct call_about *about, uint64_t now, int error)
{
	uint64_t span = now - loop->call_start;

	if (span < watch.limits.blocking_call && is_counted_strictly(loop, about, now, error)) {
		call_is_told(loop, span);
		return;
	}
	if (span < watch.limits.short_call || room_is_signal_stack() || !can_wait(about))
		return;
	if (!room_is_enough()) {
		watch_lost(LOSS_STACK_UNREADABLE);
		return;
	}
	loop->is_noted = true;
	if (retry_step(loop, about, span, error))
		return;
	if (span < watch.limits.blocking_call)
		short_call_add(loop, about, span);
	else if (emit_call(loop, about, span, error))
		call_is_told(loop, span);
}

/*
 * A call within a call, by a wrapper whose frame begins there: whether the outer one has been left
 * by a jump, as siglongjmp() out of a handler does. Whatever runs within a call has its frames
 * below the call's; only a handler's on a stack of its own may be anywhere.
 */
_hidden_ _cold_ bool call_was_left(const struct loop *loop, uintptr_t frame)
{
	return frame >= loop->call_frame && !room_is_signal_stack();
}

_hidden_ _cold_ void call_slow(struct loop *loop, const struct call_about *about, uint64_t now,
			       int error)
{
	int saved_errno = errno;

	loop->call_frame = LOOP_OUR_FRAME;
	call_look(loop, about, now, error);
	errno = saved_errno;
}
