/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exempt: what looks like a mistake and is nobody's
 *
 * Thread.start() waits until the new thread runs. That takes microseconds, or on a busy machine as
 * long as the scheduler and the GIL take to get to it; to_thread() and run_in_executor(), the right
 * forms, both come this way.
 *
 * asyncio's create_subprocess_exec() waits likewise, on a pipe, until the child has become the
 * program it is to run. The fork itself is not exempt: it takes the longer the larger the process.
 *
 * trio asks for the status of a child when it knows that it has ended.
 */
#include <string.h>

#include "exempt.h"

/* Thread.start -> Event.wait -> Condition.wait: the innermost frames. */
#define EXEMPT_MAX_DEPTH 4

/* "Thread.start" from 3.11 on, the plain name before. */
static bool is_thread_start(const struct frame *frame)
{
	return !frame->is_own && text_ends(frame->file, "/threading.py") && frame->function &&
	       (!strcmp(frame->function, "Thread.start") || !strcmp(frame->function, "start"));
}

/* _execute_child -> Popen.__init__ -> _UnixSubprocessTransport._start, whatever they are called. */
static bool is_child_start(const char *call, const struct stack *stack)
{
	if (!call || strcmp(call, "read") || !stack->n_frames ||
	    !text_ends(stack->frames[0].file, "/subprocess.py") ||
	    !text_ends(stack->frames[0].function, "_execute_child"))
		return false;
	for (uint32_t i = 1; i < stack->n_frames && i < EXEMPT_MAX_DEPTH; i++)
		if (!stack->frames[i].is_own &&
		    text_ends(stack->frames[i].file, "/asyncio/unix_events.py"))
			return true;
	return false;
}

/* Popen._try_wait -> Popen._wait -> Popen.wait, and trio's Process. */
static bool is_child_end(const char *call, const struct stack *stack)
{
	if (!call || strcmp(call, "waitpid") || !stack->n_frames ||
	    !text_ends(stack->frames[0].file, "/subprocess.py"))
		return false;
	for (uint32_t i = 1; i < stack->n_frames && i < EXEMPT_MAX_DEPTH; i++)
		if (!stack->frames[i].is_own &&
		    text_ends(stack->frames[i].file, "/trio/_subprocess.py"))
			return true;
	return false;
}

/* Whether the call of this name that this stack was taken of is exempt. NULL is not. */
bool exempt_call(const char *call, const struct stack *stack)
{
	if (stack && (is_child_start(call, stack) || is_child_end(call, stack)))
		return true;
	for (uint32_t i = 0; stack && i < stack->n_frames && i < EXEMPT_MAX_DEPTH; i++)
		if (is_thread_start(&stack->frames[i]))
			return true;
	return false;
}

/* A frame of asyncio/tasks.py, by its qualified name (3.11) or its plain one. */
static bool is_asyncio_tasks(const struct frame *frame, const char *qualified, const char *plain)
{
	return !frame->is_own && text_ends(frame->file, "/asyncio/tasks.py") && frame->function &&
	       (!strcmp(frame->function, qualified) || !strcmp(frame->function, plain));
}

/* wait_for() until 3.11 drops a cancellation that meets its result (bpo-37658, 3.12: timeouts). */
static bool is_lossy_wait(const struct stack *chain, uint32_t python_hex)
{
	for (uint32_t i = 0; chain && python_hex < 0x030c0000 && i < chain->n_frames; i++)
		if (is_asyncio_tasks(&chain->frames[i], "wait_for", "wait_for"))
			return true;
	return false;
}

/*
 * Whether a cancellation was not asked for by the user's own code: by a library's timeout, a group,
 * the end of asyncio.run(), or nobody known. gather() hands on what somebody asked of it, and the
 * cancel() of a task in pure Python is a frame itself.
 */
bool exempt_cancellation(const struct stack *chain, const struct stack *origin, uint32_t python_hex)
{
	uint32_t i = 0;

	while (origin && i < origin->n_frames &&
	       (is_asyncio_tasks(&origin->frames[i], "_GatheringFuture.cancel", "cancel") ||
		is_asyncio_tasks(&origin->frames[i], "Task.cancel", "cancel")))
		i++;
	return !origin || i == origin->n_frames || !origin->frames[i].is_own ||
	       is_lossy_wait(chain, python_hex);
}
