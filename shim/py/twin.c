/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Twin: what asyncio does without its C module
 *
 * Future, Task and _set_running_loop() exist twice: in C, and in Python for an interpreter without
 * the module _asyncio, for a program that has blocked it, and for one that wants to patch them
 * (nest_asyncio takes _PyTask and _PyFuture). No C function is called there, and 3.11 calls one
 * Python function from another without looking at its entry (vectorcall). So what is exchanged is
 * the entry of functions that the interpreter calls itself, and slots of Python classes that no
 * attribute stands for; on no version does a program see either:
 *
 *   a loop starts, stops   the class of events._running_loop: an attribute is set (tp_setattro)
 *   a task is made, dies   the entries of __init__() and __del__()
 *   a task is cancelled    that of the setter of _log_traceback, with which cancel() begins
 *   where it is caught     tp_init of CancelledError, which lives on until it is collected
 *   asked too early        tp_init of InvalidStateError, made by Future.result() or exception()
 *   gather, a step         Context.run(), which is C
 *
 * Nothing here is held: classes and code are addresses to compare with, what is read is asked of
 * the module each time. What they find is told by the files that tell it of the C classes.
 *
 * Called with the GIL held.
 */
#include <errno.h>
#include <string.h>

#include "loop.h"
#include "py/callback.h"
#include "py/cancel.h"
#include "py/crowd.h"
#include "py/dropped.h"
#include "py/flood.h"
#include "py/frame.h"
#include "py/gather.h"
#include "py/library.h"
#include "py/method.h"
#include "py/result.h"
#include "py/running.h"
#include "py/tell.h"
#include "py/twin.h"
#include "py/unfinished.h"
#include "py/unreferenced.h"

/* Task.cancel() > _GatheringFuture.cancel() > Task.cancel(), and whatever a program derives. */
#define CANCEL_MAX_FRAMES 8
#define GATHER_MAX_CONSTS 64

typedef int (*init_fn)(PyObject *self, PyObject *args, PyObject *names);

static PyObject *future_twin, *task_twin;
static uint64_t cancel_raddr, result_raddr, exception_raddr, await_raddr; /* code of functions */
static PyObject *gather_code; /* of gather()'s _done_callback() */
static PyObject *task_del;    /* the function Task.__del__() */
static vectorcall_fn future_dies, task_dies, task_init_before, set_log_traceback;
static init_fn state_error_init, cancelled_error_init;

/* The task whose step Context.run() runs on this thread; it is held by the arguments. */
static __thread PyObject *stepping __attribute__((tls_model("initial-exec")));

_hidden_ bool twin_is_future(PyObject *object)
{
	return future_twin && py.PyType_IsSubtype(py_type(object), future_twin);
}

_hidden_ bool twin_is_task(PyObject *object)
{
	return task_twin && py.PyType_IsSubtype(py_type(object), task_twin);
}

_hidden_ bool twin_is_pending(PyObject *future)
{
	PyObject *state = py_get(future, "_state");
	bool is = state && !py.PyUnicode_CompareWithASCIIString(state, "PENDING");

	tell_unref(state);
	return is;
}

/* Whether a frame is the __await__() of a future, which in C is none. */
_hidden_ bool twin_awaits(uint64_t code_raddr)
{
	return code_raddr && code_raddr == await_raddr;
}

/* Whether a callable is a step or a wake-up of a task, a method bound to it. */
_hidden_ bool twin_steps(PyObject *callable)
{
	return (void *)py_type(callable) == py.PyMethod_Type &&
	       twin_is_task(py.PyMethod_Self(callable));
}

/* Borrowed; NULL: none. */
_hidden_ PyObject *twin_current_task(void)
{
	PyObject *module, *tasks, *task = NULL;

	if (stepping || !running_twin_loop)
		return stepping;
	module = py_module("asyncio.tasks");
	tasks = module ? py_get(module, "_current_tasks") : NULL;
	if (tasks && (void *)py_type(tasks) == py.PyDict_Type)
		task = py.PyDict_GetItem(tasks, running_twin_loop);
	tell_unref(tasks);
	return task;
}

/* A callback of the loop is about to run. Return: for twin_callback_ends(). */
_hidden_ PyObject *twin_callback_begins(PyObject *const *args, ssize_t n_args)
{
	PyObject *before = stepping;
	int saved_errno = errno;

	if (n_args > 0 && twin_steps(args[0]))
		stepping = py.PyMethod_Self(args[0]);
	else if (n_args == 2 && gather_code && py_type(args[0]) == py.PyFunction_Type &&
		 py.PyFunction_GetCode(args[0]) == gather_code && twin_is_future(args[1]))
		gather_hears(args[0], args[1]);
	errno = saved_errno;
	return before;
}

_hidden_ void twin_callback_ends(PyObject *stepped_before)
{
	stepping = stepped_before;
}

static void future_ends(PyObject *self)
{
	if (py_is(self, "_Future__log_traceback", py._Py_TrueStruct))
		dropped_failed(self);
}

static void task_ends(PyObject *self)
{
	cancel_task_ends(self);
	crowd_n_alive -= crowd_n_alive > 0;
	crowd_ends(self);
	if (flood_is_open)
		flood_look();
	unreferenced_ends(self);
	if (py_is(self, "_Future__log_traceback", py._Py_TrueStruct))
		dropped_failed(self);
	else if (py_is(self, "_log_destroy_pending", py._Py_TrueStruct) && twin_is_pending(self))
		dropped_unfinished(self);
}

static PyObject *on_future_dies(PyObject *callable, PyObject *const *args, size_t n_args,
				PyObject *names)
{
	/* Task.__del__() comes here too, when it has been seen already. */
	if (VECTORCALL_N_ARGS(n_args) == 1 && !twin_is_task(args[0]))
		dropped_aside(future_ends, args[0]);
	return future_dies(callable, args, n_args, names);
}

static PyObject *on_task_dies(PyObject *callable, PyObject *const *args, size_t n_args,
			      PyObject *names)
{
	if (VECTORCALL_N_ARGS(n_args) == 1)
		dropped_aside(task_ends, args[0]);
	return task_dies(callable, args, n_args, names);
}

/* Whether the end of tasks of this class is seen: a __del__ of its own stands before ours. */
_hidden_ bool twin_sees(PyObject *class)
{
	PyObject *key = task_del ? py.PyUnicode_InternFromString("__del__") : NULL;
	PyObject *found = key ? py._PyType_Lookup(class, key) : NULL;

	py.PyErr_Clear();
	tell_unref(key);
	return found && found == task_del;
}

static PyObject *on_task_init(PyObject *callable, PyObject *const *args, size_t n_args,
			      PyObject *names)
{
	PyObject *result = task_init_before(callable, args, n_args, names);

	callback_watch_twins();
	if (result && VECTORCALL_N_ARGS(n_args) >= 1) {
		crowd_n_alive += twin_sees(py_type(args[0]));
		flood_made(args[0]);
	}
	return result;
}

/* The task that hands on the cancellation: whose cancel() has called this one's. */
static PyObject *outer_of(PyObject *frame)
{
	PyObject *outer = py_get(frame, "f_back"), *next, *variables, *task = NULL;

	for (unsigned int i = 0; outer && outer != py._Py_NoneStruct && i < CANCEL_MAX_FRAMES;
	     i++) {
		if (frame_code(outer) == cancel_raddr)
			break;
		next = py_get(outer, "f_back");
		py.Py_DecRef(outer);
		outer = next;
	}
	if (outer && outer != py._Py_NoneStruct && frame_code(outer) == cancel_raddr) {
		variables = py.PyObject_GetAttrString(outer, "f_locals");
		task = variables ? py.PyMapping_GetItemString(variables, "self") : NULL;
		tell_unref(variables);
	}
	py.PyErr_Clear();
	tell_unref(outer);
	tell_unref(task);
	return task; /* compared, not used */
}

/* cancel() has begun; of a task that is pending it never fails. */
static void cancel_begins(PyObject *task)
{
	PyObject *frame = py.PyEval_GetFrame();

	if (!frame || frame_code(frame) != cancel_raddr || !twin_is_pending(task))
		return;
	if (!thread_loop)
		unfinished_look(task);
	cancel_accepted(task, outer_of(frame));
}

static PyObject *on_set_log_traceback(PyObject *callable, PyObject *const *args, size_t n_args,
				      PyObject *names)
{
	if (VECTORCALL_N_ARGS(n_args) == 2 && twin_is_task(args[0]))
		dropped_aside(cancel_begins, args[0]);
	return set_log_traceback(callable, args, n_args, names);
}

/* Made in Future.result() or exception(), called for the future that is `self` there. */
static void state_error_made(PyObject *unused)
{
	PyObject *frame = py.PyEval_GetFrame(), *variables, *future = NULL;
	uint64_t code_raddr = frame ? frame_code(frame) : 0;

	(void)unused;
	if (!code_raddr || (code_raddr != result_raddr && code_raddr != exception_raddr))
		return;
	variables = py.PyEval_GetLocals();
	if (variables && (void *)py_type(variables) == py.PyDict_Type)
		future = py.PyDict_GetItemString(variables, "self");
	if (future && twin_is_future(future) && twin_is_pending(future))
		result_asked_too_early(future);
}

static int on_state_error_init(PyObject *self, PyObject *args, PyObject *names)
{
	int r = state_error_init(self, args, names);

	if (!r)
		dropped_aside(state_error_made, self);
	return r;
}

/* Of a task in Python it is made in a step of the task. */
static int on_cancelled_error_init(PyObject *self, PyObject *args, PyObject *names)
{
	int r = cancelled_error_init(self, args, names);

	if (!r && stepping && cancel_n_pending)
		cancel_thrown(stepping, self);
	return r;
}

/* A method that is a Python function: a new reference, or NULL. */
static PyObject *function_of(PyObject *class, const char *name)
{
	PyObject *function = py.PyObject_GetAttrString(class, name);

	py.PyErr_Clear();
	if (function && py_type(function) != py.PyFunction_Type) {
		py.Py_DecRef(function);
		function = NULL;
	}
	return function;
}

static uint64_t code_of_method(PyObject *class, const char *name)
{
	PyObject *function = function_of(class, name);
	uint64_t code_raddr = 0;

	if (function)
		code_raddr = (uint64_t)(uintptr_t)py.PyFunction_GetCode(function);
	tell_unref(function);
	return code_raddr;
}

/* A function made inside another: its code is a constant of the other's. Borrowed. */
static PyObject *code_inside(PyObject *code, const char *name)
{
	PyObject *constants = py_get(code, "co_consts"), *found = NULL, *each, *its_name;
	ssize_t n = constants ? MIN(py.PyTuple_Size(constants), GATHER_MAX_CONSTS) : 0;

	for (ssize_t i = 0; i < n && !found; i++) {
		each = py.PyTuple_GetItem(constants, i);
		if (strcmp(py_type_name(each), "code"))
			continue;
		its_name = py_get(each, "co_name");
		if (its_name && !py.PyUnicode_CompareWithASCIIString(its_name, name))
			found = each;
		tell_unref(its_name);
	}
	tell_unref(constants);
	return found;
}

/* CPython 3.9 has it in a function of its own. */
static void find_gather(PyObject *tasks_module)
{
	static const char *const names[] = {"gather", "_gather"};

	for (unsigned int i = 0; i < ARRAY_LEN(names) && !gather_code; i++) {
		PyObject *gather = py_get(tasks_module, names[i]);

		if (gather && py_type(gather) == py.PyFunction_Type)
			gather_code = code_inside(py.PyFunction_GetCode(gather), "_done_callback");
		tell_unref(gather);
	}
}

static bool method_lead(PyObject *class, const char *name, vectorcall_fn entry,
			vectorcall_fn *ret_before)
{
	PyObject *function = function_of(class, name);
	bool is_in = function && function_replace(function, entry, ret_before);

	tell_unref(function);
	return is_in;
}

static bool life_replace(void)
{
	bool is_in = method_lead(future_twin, "__del__", on_future_dies, &future_dies) &&
		     method_lead(task_twin, "__del__", on_task_dies, &task_dies) &&
		     method_lead(task_twin, "__init__", on_task_init, &task_init_before);

	task_del = is_in ? function_of(task_twin, "__del__") : NULL;
	tell_unref(task_del);
	return is_in;
}

static bool cancel_replace(void)
{
	PyObject *property = py.PyObject_GetAttrString(future_twin, "_log_traceback");
	PyObject *setter = property ? py_get(property, "fset") : NULL;
	bool is_in = setter && py_type(setter) == py.PyFunction_Type && cancel_raddr &&
		     function_replace(setter, on_set_log_traceback, &set_log_traceback);

	py.PyErr_Clear();
	tell_unref(setter);
	tell_unref(property);
	return is_in;
}

static bool error_replace(const char *name, void *function, void **ret_before)
{
	PyObject *module = py_module("asyncio.exceptions");
	PyObject *class = module ? py_get(module, name) : NULL;
	bool is_in = class && class_replace(class, CLASS_INIT, function, ret_before);

	tell_unref(class);
	return is_in;
}

static bool find_classes(PyObject *futures_module, PyObject *tasks_module)
{
	future_twin = py_get(futures_module, "_PyFuture");
	task_twin = py_get(tasks_module, "_PyTask");
	tell_unref(future_twin);
	tell_unref(task_twin);
	if (!future_twin || !task_twin)
		return false;
	cancel_raddr = code_of_method(task_twin, "cancel");
	result_raddr = code_of_method(future_twin, "result");
	exception_raddr = code_of_method(future_twin, "exception");
	await_raddr = code_of_method(future_twin, "__await__");
	if (cancel_raddr)
		library_found((PyObject *)(uintptr_t)cancel_raddr);
	find_gather(tasks_module);
	return true;
}

/* Return: the detectors that are live. */
static uint32_t hooks_install(void)
{
	uint32_t detectors = 0;

	if (life_replace() && error_replace("InvalidStateError", (void *)on_state_error_init,
					    (void **)&state_error_init))
		detectors |= DETECTOR_TASKS;
	if (cancel_replace() && error_replace("CancelledError", (void *)on_cancelled_error_init,
					      (void **)&cancelled_error_init))
		detectors |= DETECTOR_CANCELLATION;
	if (gather_code)
		detectors |= DETECTOR_GATHER;
	return detectors;
}

/*
 * Once asyncio.tasks, which is tasks, is whole. is_alone: there are no C classes, so these are what
 * is watched. No exception is set.
 *
 * Return: false when it is not whole yet.
 */
_hidden_ bool twin_install(PyObject *tasks, bool is_alone)
{
	PyObject *futures = py_module("asyncio.futures");
	PyObject *last = py_get(tasks, "_current_tasks");
	uint32_t detectors = 0;

	tell_unref(last);
	if (!last || !futures)
		return false;
	if (running_install_twin() && find_classes(futures, tasks))
		detectors = hooks_install();
	if (detectors != (DETECTOR_TASKS | DETECTOR_CANCELLATION | DETECTOR_GATHER))
		watch_lost(LOSS_HOOK_REFUSED);
	if (is_alone)
		watch_detects(detectors);
	return true;
}
