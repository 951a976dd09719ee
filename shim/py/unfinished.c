/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unfinished: what asyncio.run() cancels at its end, since nobody has waited for it
 *
 * When the main coroutine has returned, asyncio.runners._cancel_all_tasks() (uvloop had a copy of
 * it) cancels what is left. That is seen at Task.cancel(), called while no loop runs in the thread
 * by a function of that name: all other calls of cancel() cost one comparison. A task that only
 * this function and what it waits for refer to was forgotten; one that the program still holds may
 * have been left to the runner on purpose, so it is told in strict mode alone.
 *
 * The references of such a task are those of the function, which are counted here by version, and
 * what it waits for.
 */
#include <errno.h>
#include <string.h>

#include "emit.h"
#include "fork.h"
#include "intern.h"
#include "py/frame.h"
#include "py/future.h"
#include "py/tell.h"
#include "py/unfinished.h"

/*
 * The set of all tasks, the loop's variable and the receiver of the call, and what the task waits
 * for: 4 on CPython 3.8 to 3.13; from 3.14 on the receiver is borrowed, and a task that waits is
 * held by what it waits for twice.
 */
#define UNFINISHED_REFERENCES 4

static bool is_by_runner(const struct stack_buf *stack)
{
	static const char name[] = "_cancel_all_tasks";
	const char *function;
	size_t length;

	if (!stack->stack.n_frames)
		return false;
	function = intern_text(stack->frames[0].function_str, &length);
	return length == sizeof(name) - 1 && !memcmp(function, name, length);
}

/* Whether code is asyncio's own: a sleep, or a queue's get(), that was made a task. */
static bool is_asyncios(const struct callee *code)
{
	size_t length;
	const char *file = intern_text(code->file_str, &length);

	return memmem(file, length, "/asyncio/", strlen("/asyncio/"));
}

/* Python.h: the low half of ob_refcnt, which is all that counts from 3.12 on. */
static uint32_t references(PyObject *object)
{
	return *(uint32_t *)object;
}

static void unfinished(PyObject *task)
{
	struct pitfall_facts facts = {.pitfall = PITFALL_TASK_NEVER_FINISHED};
	PyObject *coroutine = py_get(task, "_coro");
	struct stack_buf stack;

	if (!coroutine)
		return;
	tell_task(task, &facts);
	facts.name_str = facts.coro_str;
	if (tell_awaits(coroutine, &stack))
		facts.stack = &stack;
	/* What has no code is asyncio's own too: the end of a generator that was left open. */
	if (facts.code.file_str && !is_asyncios(&facts.code))
		emit_pitfall(&facts);
	py.Py_DecRef(coroutine);
}

static void cancelled(PyObject *task)
{
	uint64_t tstate_raddr = fork_watch_open() ? frame_tstate() : 0;
	struct stack_buf stack;

	if (!tstate_raddr || !future_is_pending(&task_class, task))
		return;
	if (references(task) > UNFINISHED_REFERENCES && !watch.options.is_strict)
		return;
	emit_own_stack(tstate_raddr, &stack);
	if (is_by_runner(&stack))
		unfinished(task);
}

/* Task.cancel() is called while no loop runs in this thread. Needs the GIL. */
_hidden_ _cold_ void unfinished_look(PyObject *task)
{
	PyObject *type, *value, *traceback;
	int saved_errno = errno;

	py.PyErr_Fetch(&type, &value, &traceback);
	cancelled(task);
	py.PyErr_Restore(type, value, traceback);
	errno = saved_errno;
}
