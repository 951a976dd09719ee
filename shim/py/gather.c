/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gather: failures that asyncio.gather() keeps to itself
 *
 * gather() hears of each child by its own _done_callback(), which calls exception() of the child.
 * When the first failure has been passed on already, it does so only to mark the failure as
 * retrieved: that is the moment at which it is lost. So whenever
 * Future.exception() returns one (result.c stands behind it), it is looked at whether that Python
 * function is the caller (CPython 3.8-3.15 Lib/asyncio/tasks.py, gather()).
 *
 * A task that the program made may be awaited later, by C code that passes nobody. So only children
 * are told of that gather() has made itself: it clears their _log_destroy_pending. After a
 * cancellation nothing is told: then it is the cancellation that gather() passes on.
 *
 * With return_exceptions=True the failures are asked for when the list of results is made. Whether
 * anybody looks at the list is not to be seen; that nobody can is: the byte code of the coroutine
 * that waits throws it away, or gives it a name that is never read. In strict mode that is told.
 */
#include <errno.h>
#include <string.h>

#include "fork.h"
#include "pyframe/task.h"
#include "py/error.h"
#include "py/frame.h"
#include "py/gather.h"
#include "py/origin.h"
#include "py/tell.h"
#include "py/twin.h"
#include "py/unused.h"

static bool text_ends(const char *text, size_t length, const char *end)
{
	size_t n = strlen(end);

	return length >= n && !memcmp(text + length - n, end, n);
}

/* Whether gather()'s callback is the innermost frame. Before 3.11 its name is the plain one. */
static bool is_gather(uint64_t tstate_raddr)
{
	struct pyframe_stack found;
	struct pyframe_text text;

	return !pyframe_walk(&watch.pyframe, &watch.self, tstate_raddr, &found) && found.n_frames &&
	       !pyframe_describe(&watch.pyframe, &watch.self, &found.frames[0], &text) &&
	       text_ends(text.function, text.function_len, "_done_callback") &&
	       text_ends(text.file, text.file_len, "/asyncio/tasks.py");
}

/* Whether outer, the future that gather() returned, has failed already, with another exception. */
static bool is_lost(PyObject *outer, PyObject *exception)
{
	PyObject *first = py_get(outer, "_exception");
	bool is_other = first && first != py._Py_NoneStruct && first != exception &&
			!error_is_cancelled(first);

	if (first)
		py.Py_DecRef(first);
	return is_other;
}

static void sibling_lost(PyObject *child, PyObject *exception)
{
	struct pitfall_facts facts = {.pitfall = PITFALL_GATHER_SIBLING_LOST};
	struct stack_buf stack, origin;

	tell_exception(exception, &facts);
	tell_task(child, &facts);
	facts.name_str = facts.coro_str;
	tell_traceback(exception, &stack);
	facts.stack = &stack;
	facts.origin = origin_of_task(child, facts.coro_str, &origin);
	emit_pitfall(&facts);
}

/* Return: a new reference; NULL unless there is exactly one who waits, and it is a task. */
static PyObject *waiting_task(PyObject *outer)
{
	PyObject *callbacks = py_get(outer, "_callbacks"), *pair = NULL, *task = NULL;

	if (callbacks && (void *)py_type(callbacks) == py.PyList_Type &&
	    py.PyList_Size(callbacks) == 1)
		pair = py.PyList_GetItem(callbacks, 0);
	if (pair && (void *)py_type(pair) == py.PyTuple_Type && py.PyTuple_Size(pair) == 2)
		task = py_get(py.PyTuple_GetItem(pair, 0), "__self__");
	py.PyErr_Clear();
	if (callbacks)
		py.Py_DecRef(callbacks);
	return task;
}

static void stack_leave_innermost(struct stack_buf *stack)
{
	if (!stack->stack.n_frames)
		return;
	stack->stack.n_frames--;
	memmove(stack->frames, stack->frames + 1, stack->stack.n_frames * sizeof(stack->frames[0]));
}

/* Where a task waits, innermost first. Return: whether the result it waits for is read by nobody.
 */
static bool is_unread(PyObject *task, struct stack_buf *ret_stack)
{
	PyObject *coroutine = py_get(task, "_coro");
	struct pyframe_stack found;
	struct task_chain chain;
	bool is_inner;

	if (!coroutine)
		return false;
	task_follow(&watch.pyframe, &watch.self, (uint64_t)(uintptr_t)coroutine, &chain);
	py.Py_DecRef(coroutine);
	if (chain.end != TASK_END_WAITS || !chain.n_links)
		return false;
	tell_chain(&chain, &found, ret_stack);
	is_inner = found.n_frames > 1 && twin_awaits(found.frames[0].code_raddr);
	if (is_inner)
		stack_leave_innermost(ret_stack);
	return ret_stack->stack.n_frames &&
	       unused_result((PyObject *)(uintptr_t)found.frames[is_inner].code_raddr,
			     found.frames[is_inner].lasti, watch.pyframe.layout.minor);
}

static _cold_ void exceptions_ignored(PyObject *outer, PyObject *exception)
{
	struct pitfall_facts facts = {.pitfall = PITFALL_GATHER_EXCEPTIONS_IGNORED};
	PyObject *task = waiting_task(outer);
	struct stack_buf stack;

	if (task && is_unread(task, &stack)) {
		tell_exception(exception, &facts);
		tell_task(task, &facts);
		facts.name_str = stack.frames[0].function_str;
		facts.stack = &stack;
		emit_pitfall(&facts);
	}
	if (task)
		py.Py_DecRef(task);
}

/* Whether it is the first of the children to have failed: the list is told of once. */
static bool is_first_failure(PyObject *children, PyObject *child)
{
	ssize_t n = children && (void *)py_type(children) == py.PyList_Type
			    ? py.PyList_Size(children)
			    : 0;

	for (ssize_t i = 0; i < n; i++) {
		PyObject *each = py.PyList_GetItem(children, i);

		if (each == child)
			return true;
		if (!py_is(each, "_exception", py._Py_NoneStruct))
			return false;
	}
	return false;
}

static void gather_looked(PyObject *locals, PyObject *child, PyObject *exception)
{
	PyObject *outer = py.PyDict_GetItemString(locals, "outer");
	PyObject *returns = py.PyDict_GetItemString(locals, "return_exceptions");

	if (!outer || !returns)
		return;
	if (is_lost(outer, exception) && py_is(child, "_log_destroy_pending", py._Py_FalseStruct))
		sibling_lost(child, exception);
	else if (watch.options.is_strict && returns == py._Py_TrueStruct &&
		 is_first_failure(py.PyDict_GetItemString(locals, "children"), child))
		exceptions_ignored(outer, exception);
}

/* Out of line: what it needs of the stack is large. No exception is set. */
static void looked_at(PyObject *child, PyObject *exception)
{
	uint64_t tstate_raddr = fork_watch_open() ? frame_tstate() : 0;
	PyObject *locals;

	if (!tstate_raddr || !is_gather(tstate_raddr))
		return;
	locals = py.PyEval_GetLocals();
	if (locals && (void *)py_type(locals) == py.PyDict_Type)
		gather_looked(locals, child, exception);
	py.PyErr_Clear();
}

/* Somebody has asked child for its exception, which is a new reference of his. */
_hidden_ _cold_ void gather_asked(PyObject *child, PyObject *exception)
{
	int saved_errno = errno;

	looked_at(child, exception);
	errno = saved_errno;
}

/* A variable that a function has of the one it was made in: a new reference, or NULL. */
static PyObject *closure_variable(PyObject *function, const char *name)
{
	PyObject *names = py_get(py.PyFunction_GetCode(function), "co_freevars");
	PyObject *cells = py_get(function, "__closure__"), *found = NULL;
	ssize_t n = 0;

	if (names && cells && (void *)py_type(cells) == py.PyTuple_Type)
		n = MIN(py.PyTuple_Size(names), py.PyTuple_Size(cells));
	for (ssize_t i = 0; i < n && !found; i++)
		if (!py.PyUnicode_CompareWithASCIIString(py.PyTuple_GetItem(names, i), name))
			found = py_get(py.PyTuple_GetItem(cells, i), "cell_contents");
	tell_unref(cells);
	tell_unref(names);
	return found;
}

static long closure_number(PyObject *function, const char *name)
{
	PyObject *variable = closure_variable(function, name);
	long number = variable ? py.PyLong_AsLong(variable) : -1;

	py.PyErr_Clear();
	tell_unref(variable);
	return number;
}

/* The last child is done: the list of results will be made. */
static void list_is_due(PyObject *callback, PyObject *outer)
{
	PyObject *children = closure_variable(callback, "children"), *exception;
	ssize_t n = children && (void *)py_type(children) == py.PyList_Type
			    ? py.PyList_Size(children)
			    : 0;

	for (ssize_t i = 0; i < n; i++) {
		exception = py_get(py.PyList_GetItem(children, i), "_exception");
		if (exception && exception != py._Py_NoneStruct) {
			exceptions_ignored(outer, exception);
			i = n;
		}
		tell_unref(exception);
	}
	tell_unref(children);
}

static void heard(PyObject *callback, PyObject *child, PyObject *outer)
{
	PyObject *returns = closure_variable(callback, "return_exceptions");
	PyObject *exception = py_get(child, "_exception");

	if (exception && exception != py._Py_NoneStruct && is_lost(outer, exception) &&
	    py_is(child, "_log_destroy_pending", py._Py_FalseStruct))
		sibling_lost(child, exception);
	else if (watch.options.is_strict && returns == py._Py_TrueStruct &&
		 closure_number(callback, "nfinished") + 1 == closure_number(callback, "nfuts"))
		list_is_due(callback, outer);
	tell_unref(exception);
	tell_unref(returns);
}

/*
 * The same for children in pure Python, which are asked by Python code: gather()'s callback is
 * about to run for one of them.
 */
_hidden_ _cold_ void gather_hears(PyObject *callback, PyObject *child)
{
	PyObject *outer;

	if (!fork_watch_open() || !frame_tstate())
		return;
	outer = closure_variable(callback, "outer");
	if (outer && outer != py._Py_NoneStruct)
		heard(callback, child, outer);
	tell_unref(outer);
}
