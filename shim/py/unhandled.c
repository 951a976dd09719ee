/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unhandled: an exception that ends a task or the program though its kind asks to be caught
 *
 * A time limit that was set and whose end nobody catches, and the group of exceptions that a
 * TaskGroup raises. What ends a task without anybody's looking is seen when the task is dropped
 * (dropped.c); what ends the program or a thread comes to the default excepthook of sys or
 * threading, whose C functions are exchanged in their method tables. A program that has put its own
 * hook there and does not call the default one is not seen.
 *
 * Only what came through a coroutine counts: a script may fail with a TimeoutError of its own.
 */
#include <errno.h>
#include <string.h>

#include "emit.h"
#include "fork.h"
#include "intern.h"
#include "py/error.h"
#include "py/frame.h"
#include "py/method.h"
#include "py/refusal.h"
#include "py/tell.h"
#include "py/unhandled.h"

#define CODE_COROUTINE 0x0280 /* CO_COROUTINE | CO_ASYNC_GENERATOR, CPython 3.8-3.15 code.h */
#define CLASSES_MAX    2
/* A traceback of sys.getrecursionlimit() is searched to its end; of an endless one no more is. */
#define TRACE_MAX 100000

typedef PyObject *(*function_fast_fn)(PyObject *module, PyObject *const *args, ssize_t n_args);

static function_fast_fn sys_excepthook;
static method_o_fn thread_excepthook;

/* Until 3.10 asyncio and concurrent.futures have classes of their own. No references: compared. */
static PyObject *timeout_classes[CLASSES_MAX];

static bool is_timeout(PyObject *class)
{
	PyObject *builtin = *(PyObject **)py.PyExc_TimeoutError;

	if (py.PyType_IsSubtype(class, builtin))
		return true;
	for (int i = 0; i < CLASSES_MAX; i++)
		if (timeout_classes[i] && py.PyType_IsSubtype(class, timeout_classes[i]))
			return true;
	return false;
}

static bool is_taskgroup_file(uint32_t file_str)
{
	static const char end[] = "/asyncio/taskgroups.py";
	size_t length;
	const char *file = intern_text(file_str, &length);

	return length >= sizeof(end) - 1 &&
	       !memcmp(file + length - (sizeof(end) - 1), end, sizeof(end) - 1);
}

/* Whether the group was raised by the end of an `async with TaskGroup()`. */
static bool is_of_taskgroup(PyObject *class, const struct stack_buf *trace)
{
	if (!py.PyExc_BaseExceptionGroup ||
	    !py.PyType_IsSubtype(class, *(PyObject **)py.PyExc_BaseExceptionGroup))
		return false;
	for (uint32_t i = 0; i < trace->stack.n_frames; i++)
		if (is_taskgroup_file(trace->frames[i].file_str))
			return true;
	return false;
}

/* Which pitfall it is that this exception was not caught; trace is its traceback. */
_hidden_ enum pitfall unhandled_pitfall(PyObject *exception, const struct stack_buf *trace,
					enum pitfall otherwise)
{
	if (is_timeout(py_type(exception)))
		return PITFALL_UNHANDLED_TIMEOUT;
	if (is_of_taskgroup(py_type(exception), trace))
		return PITFALL_UNHANDLED_GROUP;
	return otherwise;
}

static bool frame_is_of_coroutine(PyObject *frame)
{
	PyObject *code = (PyObject *)(uintptr_t)frame_code(frame);
	PyObject *flags = code ? py_get(code, "co_flags") : NULL;
	long bits = flags ? py.PyLong_AsLong(flags) : 0;

	if (flags)
		py.Py_DecRef(flags);
	return bits & CODE_COROUTINE;
}

static bool came_through_coroutine(PyObject *exception)
{
	PyObject *trace = py_get(exception, "__traceback__"), *next, *frame;
	bool is_found = false;

	for (int i = 0; trace && trace != py._Py_NoneStruct && i < TRACE_MAX; i++) {
		frame = error_frame(trace);
		is_found |= frame && frame_is_of_coroutine(frame);
		next = is_found ? NULL : py_get(trace, "tb_next");
		py.Py_DecRef(trace);
		trace = next;
	}
	if (trace)
		py.Py_DecRef(trace);
	return is_found;
}

/* What ends the program or a thread. Sets no exception; none is set when this is called. */
static void ended_by(PyObject *exception)
{
	struct pitfall_facts facts = {0};
	struct stack_buf trace;
	int saved_errno = errno;

	if (!exception ||
	    !py.PyType_IsSubtype(py_type(exception), *(PyObject **)py.PyExc_BaseException) ||
	    !fork_watch_open() || !frame_tstate() || !came_through_coroutine(exception))
		goto out;
	tell_traceback(exception, &trace);
	if (refusal_ended(exception, &trace))
		goto out;
	facts.pitfall = unhandled_pitfall(exception, &trace, 0);
	if (!facts.pitfall)
		goto out;
	tell_exception(exception, &facts);
	facts.stack = &trace;
	emit_pitfall(&facts);
out:
	errno = saved_errno;
}

static PyObject *on_sys_excepthook(PyObject *module, PyObject *const *args, ssize_t n_args)
{
	if (n_args == 3)
		ended_by(args[1]);
	return sys_excepthook(module, args, n_args);
}

/* threading.excepthook(): one argument, a tuple with names: type, value, traceback, thread. */
static PyObject *on_thread_excepthook(PyObject *module, PyObject *told)
{
	if (py.PyTuple_Size(told) >= 3)
		ended_by(py.PyTuple_GetItem(told, 1));
	py.PyErr_Clear();
	return thread_excepthook(module, told);
}

static bool hook_replace(const char *module_name, const char *name, int flags, void *function,
			 void **ret_before)
{
	PyObject *module = py_module(module_name);
	PyObject *found = module ? py.PyObject_GetAttrString(module, name) : NULL;
	struct method_def *method = found ? method_of_function(found) : NULL;
	bool is_replaced =
		method && method->flags == flags && py_patch_method(method, function, ret_before);

	py.PyErr_Clear();
	if (found)
		py.Py_DecRef(found);
	return is_replaced;
}

/* Needs the GIL, no exception set. */
_hidden_ void unhandled_install(void)
{
	if (hook_replace("sys", "__excepthook__", METHOD_FAST, (void *)on_sys_excepthook,
			 (void **)&sys_excepthook) &&
	    hook_replace("_thread", "_excepthook", METHOD_O, (void *)on_thread_excepthook,
			 (void **)&thread_excepthook))
		watch_detects(DETECTOR_UNHANDLED);
	else
		watch_lost(LOSS_HOOK_REFUSED);
}

/* asyncio has been imported whole: a loop starts. Needs the GIL, no exception set. */
_hidden_ void unhandled_ready(void)
{
	static const char *const modules[CLASSES_MAX] = {"asyncio.exceptions",
							 "concurrent.futures._base"};
	static bool is_done;

	for (int i = 0; i < CLASSES_MAX && !is_done; i++) {
		PyObject *module = py_module(modules[i]);

		timeout_classes[i] = module ? py_get(module, "TimeoutError") : NULL;
		if (timeout_classes[i])
			py.Py_DecRef(timeout_classes[i]);
	}
	is_done = true;
}
