/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Callee: the code a callback runs, by name
 *
 * What a loop calls is a function, a bound method, a functools.partial of either, or a step of a
 * task: then the code is that of the task's coroutine. Anything else has no Python code to name.
 * Called with the GIL held, for callbacks that were slow.
 */
#include <string.h>

#include "intern.h"
#include "py/callee.h"
#include "py/twin.h"

/* partial(partial(method)): enough for anything written by hand. */
#define CALLEE_MAX_LAYERS 8

_hidden_ bool callee_of_code(PyObject *code, struct callee *ret_callee)
{
	struct pyframe_text text;

	if (!code || !watch.is_frames_ok ||
	    pyframe_describe_code(&watch.pyframe, &watch.self, (uint64_t)(uintptr_t)code, &text))
		return false;
	*ret_callee = (struct callee){
		.file_str = intern(text.file, text.file_len),
		.function_str = intern(text.function, text.function_len),
		.first_line = text.first_line,
	};
	return true;
}

/* Whether it is CPython's own, not Cython's. */
_hidden_ bool callee_is_coroutine(PyObject *object)
{
	void *type = py_type(object);

	return type == py.PyCoro_Type || type == py.PyGen_Type || type == py.PyAsyncGen_Type;
}

/*
 * The code of a coroutine object, or of a generator that serves as one. CPython's are read and not
 * asked: the attributes are audited, and a hook of the program's would hear of each.
 */
_hidden_ bool callee_of_coroutine(PyObject *coroutine, struct callee *ret_callee)
{
	uint64_t code_raddr;
	PyObject *code;
	bool is_known;

	if (watch.is_frames_ok && callee_is_coroutine(coroutine))
		return !pyframe_coroutine_code(&watch.pyframe, &watch.self,
					       (uint64_t)(uintptr_t)coroutine, &code_raddr) &&
		       callee_of_code((PyObject *)(uintptr_t)code_raddr, ret_callee);
	code = py_get(coroutine, "cr_code");
	if (!code)
		code = py_get(coroutine, "gi_code");
	if (!code)
		return false;
	is_known = callee_of_code(code, ret_callee);
	py.Py_DecRef(code);
	return is_known;
}

/*
 * The task behind a step or wake-up, both bound to it, as builtins or, of a task in Python, as
 * methods: its coroutine, a new reference.
 */
static PyObject *coroutine_of_step(PyObject *callable)
{
	PyObject *task = py_get(callable, "__self__"), *coroutine;

	/* trio calls the coroutine's own send(). */
	if (!task || callee_is_coroutine(task))
		return task;
	coroutine = py_get(task, "_coro");
	py.Py_DecRef(task);
	return coroutine;
}

static bool callee_of_task(PyObject *callable, struct callee *ret_callee)
{
	PyObject *coroutine = coroutine_of_step(callable);
	bool is_known = coroutine && callee_of_coroutine(coroutine, ret_callee);

	if (coroutine)
		py.Py_DecRef(coroutine);
	return is_known;
}

/* What a callable only wraps: a new reference, NULL when it is no wrapper. */
static PyObject *callee_unwrap(PyObject *callable)
{
	PyObject *inner = NULL;

	if (twin_steps(callable))
		return NULL;
	if (py_type(callable) == py.PyMethod_Type) {
		inner = py.PyMethod_Function(callable);
		py.Py_IncRef(inner);
	} else if (!strcmp(py_type_name(callable), "functools.partial")) {
		inner = py_get(callable, "func");
	}
	return inner;
}

/* Return: whether the callable's code is known. Sets no exception. */
_hidden_ bool callee_of(PyObject *callable, struct callee *ret_callee)
{
	PyObject *inner;
	bool is_known;

	py.Py_IncRef(callable);
	for (unsigned int layer = 0; layer < CALLEE_MAX_LAYERS; layer++) {
		inner = callee_unwrap(callable);
		if (!inner)
			break;
		py.Py_DecRef(callable);
		callable = inner;
	}
	is_known = py_type(callable) == py.PyFunction_Type
			   ? callee_of_code(py.PyFunction_GetCode(callable), ret_callee)
			   : callee_of_task(callable, ret_callee);
	py.Py_DecRef(callable);
	return is_known;
}
