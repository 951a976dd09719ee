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
 */
#include <errno.h>
#include <string.h>

#include "fork.h"
#include "py/error.h"
#include "py/frame.h"
#include "py/gather.h"
#include "py/tell.h"

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
	struct stack_buf stack;

	tell_exception(exception, &facts);
	tell_task(child, &facts);
	facts.name_str = facts.coro_str;
	tell_traceback(exception, &stack);
	facts.stack = &stack;
	emit_pitfall(&facts);
}

static void looked_at(PyObject *child, PyObject *exception)
{
	uint64_t tstate_raddr = fork_watch_open() ? frame_tstate() : 0;
	PyObject *locals, *outer;

	if (!tstate_raddr || !is_gather(tstate_raddr))
		return;
	locals = py.PyEval_GetLocals();
	outer = locals && (void *)py_type(locals) == py.PyDict_Type
			? py.PyDict_GetItemString(locals, "outer")
			: NULL;
	py.PyErr_Clear();
	if (outer && is_lost(outer, exception) &&
	    py_is(child, "_log_destroy_pending", py._Py_FalseStruct))
		sibling_lost(child, exception);
}

/* Somebody has asked child for its exception, which is a new reference of his. */
_hidden_ _cold_ void gather_asked(PyObject *child, PyObject *exception)
{
	int saved_errno = errno;

	looked_at(child, exception);
	errno = saved_errno;
}
