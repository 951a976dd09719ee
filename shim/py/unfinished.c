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
#include "py/library.h"
#include "py/origin.h"
#include "py/tell.h"
#include "py/twin.h"
#include "py/unfinished.h"

/*
 * The set of all tasks, the loop's variable and the receiver of the call, and what the task waits
 * for: 4 on CPython 3.8 to 3.13; from 3.14 on the receiver is borrowed, and a task that waits is
 * held by what it waits for twice.
 */
#define UNFINISHED_REFERENCES 4

/* The cancel() of a task in Python is a frame of its own. */
static bool is_by_runner(const struct stack_buf *stack, uint32_t n_inner)
{
	static const char name[] = "_cancel_all_tasks";
	const char *function;
	size_t length;

	if (stack->stack.n_frames <= n_inner)
		return false;
	function = intern_text(stack->frames[n_inner].function_str, &length);
	return length == sizeof(name) - 1 && !memcmp(function, name, length);
}

/* Python.h: the low half of ob_refcnt, which is all that counts from 3.12 on. */
static uint32_t references(PyObject *object)
{
	return *(uint32_t *)object;
}

/*
 * The cancel() of a task in Python has variables of its own, until 3.10 copies of its arguments as
 * well; from 3.14 on it borrows them.
 */
static uint32_t references_own(PyObject *task)
{
	uint32_t python_hex = watch.region.header->python_hex;

	if (!twin_is_task(task) || python_hex >= 0x030e0000)
		return UNFINISHED_REFERENCES;
	return UNFINISHED_REFERENCES + (python_hex < 0x030b0000 ? 2 : 1);
}

static void unfinished(PyObject *task)
{
	struct pitfall_facts facts = {.pitfall = PITFALL_TASK_NEVER_FINISHED};
	PyObject *coroutine = py_get(task, "_coro");
	struct stack_buf stack, origin;

	if (!coroutine)
		return;
	tell_task(task, &facts);
	facts.name_str = facts.coro_str;
	if (tell_awaits(coroutine, &stack))
		facts.stack = &stack;
	facts.origin = origin_of_task(task, facts.coro_str, &origin);
	/*
	 * Not asyncio's own, a sleep or a queue's get() that was made a task; and what has no code
	 * is that too: the end of a generator that was left open.
	 */
	if (facts.code.file_str && !library_is_asyncio(facts.code.file_str))
		emit_pitfall(&facts);
	py.Py_DecRef(coroutine);
}

static void cancelled(PyObject *task)
{
	uint64_t tstate_raddr = fork_watch_open() ? frame_tstate() : 0;
	struct stack_buf stack;

	if (!tstate_raddr || !future_task_is_pending(task))
		return;
	if (references(task) > references_own(task) && !watch.options.is_strict)
		return;
	emit_own_stack(tstate_raddr, &stack);
	if (is_by_runner(&stack, twin_is_task(task)))
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
