/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Current: the task that runs now on this thread, as asyncio itself says
 *
 * Called with the GIL held and no exception set; sets none.
 */
#include "base/defs.h"
#include "py/current.h"
#include "py/running.h"
#include "py/twin.h"

/* By the C module. Borrowed; NULL: none, or no loop runs. */
static PyObject *current_of(PyObject *asyncio, bool *ret_has_loop)
{
	PyObject *function = py_get(asyncio, "_get_running_loop"), *tasks, *task = NULL;
	PyObject *loop = function ? py.PyObject_CallFunctionObjArgs(function, NULL) : NULL;

	if (function)
		py.Py_DecRef(function);
	*ret_has_loop = loop && loop != py._Py_NoneStruct;
	function = *ret_has_loop ? py_get(asyncio, "current_task") : NULL;
	/* In C from 3.12 on; before, the dict it reads is shown by the module. */
	if (function && py_type(function) == py.PyCFunction_Type) {
		task = py.PyObject_CallFunctionObjArgs(function, NULL);
		if (task)
			py.Py_DecRef(task);
	} else if (*ret_has_loop && (tasks = py_get(asyncio, "_current_tasks"))) {
		task = py_type(tasks) == py.PyDict_Type ? py.PyDict_GetItem(tasks, loop) : NULL;
		py.Py_DecRef(tasks);
	}
	py.PyErr_Clear();
	if (function)
		py.Py_DecRef(function);
	if (loop)
		py.Py_DecRef(loop);
	return task == py._Py_NoneStruct ? NULL : task;
}

/* asyncio is the C module, NULL without one. Borrowed; NULL: none, or no loop runs. */
_hidden_ PyObject *current_task(PyObject *asyncio, bool *ret_has_loop)
{
	PyObject *task = NULL;

	*ret_has_loop = running_twin_loop;
	if (asyncio)
		task = current_of(asyncio, ret_has_loop);
	return task ? task : twin_current_task();
}
