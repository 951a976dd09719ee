/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Future: what asyncio's C futures and tasks say of themselves
 *
 * The two classes and the C functions behind their attributes, found once. A derived class has the
 * same layout in front, so they may be asked of its objects as well.
 */
#include "base/defs.h"
#include "py/future.h"
#include "py/twin.h"

_hidden_ struct future_class future_class, task_class;

/* The word _state gives while a future is pending: interned, so there is one. */
static PyObject *pending;

static bool class_init(struct future_class *class)
{
	return class->class && getter_find(class->class, "_log_traceback", &class->log_traceback) &&
	       getter_find(class->class, "_state", &class->state);
}

/*
 * Needs the GIL, no exception set. The classes are kept: they live as long as their module.
 *
 * Return: false when they are not as expected.
 */
_hidden_ bool future_init(PyObject *asyncio_module)
{
	if (pending)
		return true;
	future_class.class = py.PyObject_GetAttrString(asyncio_module, "Future");
	task_class.class = py.PyObject_GetAttrString(asyncio_module, "Task");
	py.PyErr_Clear();
	if (!class_init(&future_class) || !class_init(&task_class) ||
	    !getter_find(task_class.class, "_log_destroy_pending", &task_class.log_pending))
		return false;
	pending = py.PyUnicode_InternFromString("PENDING");
	return pending;
}

/* Needs the GIL; sets no exception. */
_hidden_ bool future_is_pending(const struct future_class *class, PyObject *future)
{
	PyObject *state = class->state.function(future, class->state.closure);

	if (state)
		py.Py_DecRef(state);
	else
		py.PyErr_Clear();
	return state && state == pending;
}

/* Of a task, be it in C or in Python. Needs the GIL; sets no exception. */
_hidden_ bool future_task_is_pending(PyObject *task)
{
	bool is_twin = py_type(task) != task_class.class && twin_is_task(task);

	return is_twin ? twin_is_pending(task) : future_is_pending(&task_class, task);
}
