/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exempt: calls that wait and are nobody's mistake
 *
 * Thread.start() waits until the new thread runs. That takes microseconds, or on a busy machine as
 * long as the scheduler and the GIL take to get to it; to_thread() and run_in_executor(), the right
 * forms, both come this way.
 */
#include <string.h>

#include "exempt.h"

/* Thread.start -> Event.wait -> Condition.wait: the innermost frames. */
#define EXEMPT_MAX_DEPTH 4

static bool ends_with(const char *text, const char *end)
{
	size_t length = text ? strlen(text) : 0, end_length = strlen(end);

	return length >= end_length && !strcmp(text + length - end_length, end);
}

/* "Thread.start" from 3.11 on, the plain name before. */
static bool is_thread_start(const struct frame *frame)
{
	return !frame->is_own && ends_with(frame->file, "/threading.py") && frame->function &&
	       (!strcmp(frame->function, "Thread.start") || !strcmp(frame->function, "start"));
}

/* Whether the call that this stack was taken of is exempt. NULL is not. */
bool exempt_call(const struct stack *stack)
{
	for (uint32_t i = 0; stack && i < stack->n_frames && i < EXEMPT_MAX_DEPTH; i++)
		if (is_thread_start(&stack->frames[i]))
			return true;
	return false;
}
