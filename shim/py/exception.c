/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exception: those that a broad except takes and drops
 *
 * In strict mode, and from 3.12 on: sys.monitoring tells of every exception that is handled, and
 * the handler's byte code says whether anything is done with it. Only those in coroutines are told,
 * and no cancellation: that is swallowed-cancellation, or nobody's affair.
 *
 * There are six tools to a program, and debuggers, coverage and profilers have theirs by number. We
 * take one of the others, and let go of it when the program wants it: what use_tool_id() and
 * get_tool() answer is what they would without us.
 */
#include <errno.h>
#include <string.h>

#include "fork.h"
#include "py/error.h"
#include "py/exception.h"
#include "py/frame.h"
#include "py/gil.h"
#include "py/handler.h"
#include "py/tell.h"

/* CPython 3.12-3.15: PyCFunctionObject.m_ml; co_flags of Include/cpython/code.h. */
#define CFUNCTION_DEF_OFFSET	16
#define CODE_IS_COROUTINE	0x80
#define CODE_IS_ASYNC_GENERATOR 0x200
/* 0, 1, 2 and 5 are a debugger's, coverage's, a profiler's and an optimizer's. */
#define TOOL_FIRST 4
#define TOOL_LAST  3

typedef PyObject *(*method_many_fn)(PyObject *self, PyObject *const *args, ssize_t n_args);

static PyObject *monitoring; /* the module, borrowed from sys */
static method_many_fn use_tool_id, set_events, register_callback;
static method_o_fn get_tool, free_tool_id;
static long event; /* EXCEPTION_HANDLED */
static long tool = -1;

static void unref(PyObject *object)
{
	if (object)
		py.Py_DecRef(object);
}

static bool is_coroutine(PyObject *code)
{
	PyObject *flags = py_get(code, "co_flags");
	long bits = flags ? py.PyLong_AsLong(flags) : 0;

	py.PyErr_Clear();
	unref(flags);
	return bits & (CODE_IS_COROUTINE | CODE_IS_ASYNC_GENERATOR);
}

/* The innermost frame stands where it was left: the line to show is that of the clause. */
static void frame_move(PyObject *code, long offset, struct stack_buf *stack)
{
	struct pyframe_addr at = {.code_raddr = (uint64_t)(uintptr_t)code,
				  .lasti = (uint64_t)offset};
	struct pyframe_text text;

	if (stack->stack.n_frames && !pyframe_describe(&watch.pyframe, &watch.self, &at, &text) &&
	    text.line > 0 && stack->frames[0].first_line == text.first_line)
		stack->frames[0].line = text.line;
}

static _cold_ void dropped(PyObject *code, long clause_offset, PyObject *exception)
{
	struct pitfall_facts facts = {.pitfall = PITFALL_SWALLOWED_EXCEPTION};
	uint64_t tstate_raddr = fork_watch_open() ? frame_tstate() : 0;
	struct stack_buf stack;

	if (!tstate_raddr)
		return;
	tell_exception(exception, &facts);
	emit_own_stack(tstate_raddr, &stack);
	frame_move(code, clause_offset, &stack);
	facts.stack = &stack;
	emit_pitfall(&facts);
}

static void handled(PyObject *code, PyObject *offset, PyObject *exception)
{
	long at = py.PyLong_AsLong(offset), clause_offset;

	py.PyErr_Clear();
	if (is_coroutine(code) && handler_drops(code, at, exception, &clause_offset) &&
	    !error_is_cancelled(exception))
		dropped(code, clause_offset, exception);
}

static PyObject *on_handled(PyObject *unused, PyObject *const *args, ssize_t n_args)
{
	PyObject *type, *value, *traceback;
	int saved_errno = errno;

	(void)unused;
	if (n_args == 3 && thread_loop && !gil_is_ending()) {
		py.PyErr_Fetch(&type, &value, &traceback);
		handled(args[0], args[1], args[2]);
		py.PyErr_Restore(type, value, traceback);
		errno = saved_errno;
	}
	py.Py_IncRef(py._Py_NoneStruct);
	return py._Py_NoneStruct;
}

static struct method_def handled_def = {"handled", (void *)on_handled, METHOD_FAST, NULL};

/* A call with numbers; an object instead of the last. Return: whether it raised nothing. */
static bool call(method_many_fn function, long first, long second, PyObject *third, ssize_t n_args)
{
	PyObject *args[3] = {py.PyLong_FromLong(first), py.PyLong_FromLong(second), third};
	PyObject *result = NULL;

	if (n_args == 2 && third) {
		unref(args[1]);
		args[1] = third;
		py.Py_IncRef(third);
	}
	if (args[0] && args[1])
		result = function(monitoring, args, n_args);
	py.PyErr_Clear();
	unref(args[0]);
	unref(args[1]);
	unref(result);
	return result;
}

static bool is_free(long id)
{
	PyObject *number = py.PyLong_FromLong(id);
	PyObject *name = number ? get_tool(monitoring, number) : NULL;
	bool is = name == py._Py_NoneStruct;

	py.PyErr_Clear();
	unref(name);
	unref(number);
	return is;
}

static void tool_leave(void)
{
	PyObject *number = py.PyLong_FromLong(tool), *result;

	call(set_events, tool, 0, NULL, 2);
	call(register_callback, tool, event, py._Py_NoneStruct, 3);
	result = number ? free_tool_id(monitoring, number) : NULL;
	py.PyErr_Clear();
	unref(result);
	unref(number);
	tool = -1;
}

static bool tool_take(long id)
{
	PyObject *name = py.PyUnicode_FromString("loophound");
	PyObject *function = py.PyCFunction_NewEx(&handled_def, NULL, NULL);

	if (name && function && call(use_tool_id, id, 0, name, 2)) {
		tool = id;
		if (!call(register_callback, id, event, function, 3) ||
		    !call(set_events, id, event, NULL, 2))
			tool_leave();
	}
	py.PyErr_Clear();
	unref(function);
	unref(name);
	return tool >= 0;
}

static void tool_enter(long but_not)
{
	for (long id = TOOL_FIRST; id >= TOOL_LAST; id--)
		if (id != but_not && is_free(id) && tool_take(id))
			return;
}

static PyObject *on_use_tool_id(PyObject *module, PyObject *const *args, ssize_t n_args)
{
	long wanted = n_args > 0 && tool >= 0 ? py.PyLong_AsLong(args[0]) : -1;

	py.PyErr_Clear();
	if (wanted >= 0 && wanted == tool) {
		tool_leave();
		tool_enter(wanted);
	}
	return use_tool_id(module, args, n_args);
}

static PyObject *on_get_tool(PyObject *module, PyObject *number)
{
	long id = tool >= 0 ? py.PyLong_AsLong(number) : -1;

	py.PyErr_Clear();
	if (id < 0 || id != tool)
		return get_tool(module, number);
	py.Py_IncRef(py._Py_NoneStruct);
	return py._Py_NoneStruct;
}

static struct method_def *function_find(const char *name, int flags)
{
	PyObject *function = py_get(monitoring, name);
	struct method_def *method = NULL;

	if (function && (void *)py_type(function) == py.PyCFunction_Type)
		method = *(struct method_def **)((char *)function + CFUNCTION_DEF_OFFSET);
	unref(function);
	return method && method->flags == flags && !strcmp(method->name, name) ? method : NULL;
}

static long event_find(void)
{
	PyObject *events = py_get(monitoring, "events");
	PyObject *number = events ? py_get(events, "EXCEPTION_HANDLED") : NULL;
	long found = number ? py.PyLong_AsLong(number) : 0;

	py.PyErr_Clear();
	unref(number);
	unref(events);
	return found;
}

static bool monitoring_find(void)
{
	PyObject *sys = py_module("sys");
	struct method_def *use, *set, *callback, *get, *leave;

	monitoring = sys ? py_get(sys, "monitoring") : NULL;
	unref(monitoring);
	if (!monitoring)
		return false;
	use = function_find("use_tool_id", METHOD_FAST);
	set = function_find("set_events", METHOD_FAST);
	callback = function_find("register_callback", METHOD_FAST);
	get = function_find("get_tool", METHOD_O);
	leave = function_find("free_tool_id", METHOD_O);
	event = event_find();
	if (!use || !set || !callback || !get || !leave || event <= 0)
		return false;
	set_events = (method_many_fn)set->function;
	register_callback = (method_many_fn)callback->function;
	free_tool_id = (method_o_fn)leave->function;
	return py_patch_method(use, (void *)on_use_tool_id, (void **)&use_tool_id) &&
	       py_patch_method(get, (void *)on_get_tool, (void **)&get_tool);
}

/* Once, by the first loop: only then is it known whether the mode is strict. */
_hidden_ void exception_loop_starts(void)
{
	static bool is_tried;

	if (is_tried || !watch.options.is_strict || !watch.is_frames_ok)
		return;
	is_tried = true;
	if (!handler_is_known(watch.pyframe.layout.minor))
		return;
	if (!monitoring_find()) {
		watch_lost(LOSS_HOOK_REFUSED);
		return;
	}
	tool_enter(-1);
	if (tool >= 0)
		watch_detects(DETECTOR_EXCEPTIONS);
}
