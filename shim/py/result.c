/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Result: asked of a task or future that is not done
 *
 * Future.result() and Future.exception(), which Task shares, raise InvalidStateError then; so they
 * also do for a task that itself ended with one, which is told apart by its state. `await task` and
 * what asyncio does in C do not come through these methods. A call that succeeds costs one more
 * function call. Of the classes in pure Python twin.c hears.
 */
#include <errno.h>
#include <string.h>

#include "emit.h"
#include "fork.h"
#include "py/frame.h"
#include "py/future.h"
#include "py/gather.h"
#include "py/origin.h"
#include "py/result.h"
#include "py/tell.h"

static method_o_fn result_before;
static method_o_fn exception_before;	    /* until 3.11 */
static method_class_fn exception_before_12; /* from 3.12 */

_hidden_ void result_asked_too_early(PyObject *future)
{
	struct pitfall_facts facts = {.pitfall = PITFALL_RESULT_BEFORE_DONE};
	uint64_t tstate_raddr = fork_watch_open() ? frame_tstate() : 0;
	struct stack_buf stack, origin;

	if (!tstate_raddr)
		return;
	tell_task(future, &facts);
	facts.name_str = facts.coro_str ? facts.coro_str : tell_class(py_type(future));
	emit_own_stack(tstate_raddr, &stack);
	facts.stack = &stack;
	facts.origin = origin_of_task(future, facts.coro_str, &origin);
	emit_pitfall(&facts);
}

/* The exception that is set stays so, whatever is done meanwhile. */
static _cold_ void refused(PyObject *future)
{
	PyObject *type, *value, *traceback;
	int saved_errno = errno;

	py.PyErr_Fetch(&type, &value, &traceback);
	if (type && !strcmp(py_class_name(type), "InvalidStateError") &&
	    future_is_pending(&future_class, future))
		result_asked_too_early(future);
	py.PyErr_Restore(type, value, traceback);
	errno = saved_errno;
}

static PyObject *on_result(PyObject *self, PyObject *unused)
{
	PyObject *result = result_before(self, unused);

	if (unlikely(!result))
		refused(self);
	return result;
}

static PyObject *on_exception(PyObject *self, PyObject *unused)
{
	PyObject *exception = exception_before(self, unused);

	if (unlikely(!exception))
		refused(self);
	else if (exception != py._Py_NoneStruct)
		gather_asked(self, exception);
	return exception;
}

static PyObject *on_exception_12(PyObject *self, PyObject *class, PyObject *const *args,
				 ssize_t n_args, PyObject *names)
{
	PyObject *exception = exception_before_12(self, class, args, n_args, names);

	if (unlikely(!exception))
		refused(self);
	else if (exception != py._Py_NoneStruct)
		gather_asked(self, exception);
	return exception;
}

static bool is_shared(PyObject *future, PyObject *task, const char *name)
{
	struct method_def *of_future = method_find(future, name);
	struct method_def *of_task = method_find(task, name);

	return of_future && of_task && of_future->function == of_task->function;
}

static bool result_replace(PyObject *class)
{
	return method_replace(class, "result", METHOD_PLAIN, (void *)on_result,
			      (void **)&result_before) &&
	       (method_replace(class, "exception", METHOD_PLAIN, (void *)on_exception,
			       (void **)&exception_before) ||
		method_replace(class, "exception", METHOD_CLASS_NAMES, (void *)on_exception_12,
			       (void **)&exception_before_12));
}

/*
 * Both classes have tables of their own, which lead to the same functions. Needs the GIL, no
 * exception set.
 */
_hidden_ void result_install(PyObject *asyncio_module)
{
	PyObject *future, *task;

	if (!future_init(asyncio_module)) {
		watch_lost(LOSS_HOOK_REFUSED);
		return;
	}
	future = future_class.class;
	task = task_class.class;
	if (is_shared(future, task, "result") && is_shared(future, task, "exception") &&
	    result_replace(future) && result_replace(task))
		watch_detects(DETECTOR_TASKS | DETECTOR_GATHER);
	else
		watch_lost(LOSS_HOOK_REFUSED);
}
