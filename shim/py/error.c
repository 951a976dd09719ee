/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error: which exceptions are cancellations, and how far one has come
 *
 * Called with the GIL held and no exception set.
 */
#include "base/defs.h"
#include "py/error.h"
#include "py/frame.h"

/* CPython 3.8-3.15 Include/cpython/traceback.h: PyTracebackObject.tb_frame. */
#define TRACEBACK_FRAME_OFFSET 24

/* The class, borrowed from its module; NULL while that has not been imported. */
_hidden_ PyObject *error_cancelled_class(void)
{
	PyObject *module = py_module("asyncio.exceptions");
	PyObject *class = module ? py_get_class(module, "CancelledError") : NULL;

	if (class)
		py.Py_DecRef(class);
	return class;
}

/* Whether an exception is a cancellation; not known is taken for yes. */
_hidden_ bool error_is_cancelled(PyObject *exception)
{
	PyObject *class = error_cancelled_class();

	return !class || py.PyType_IsSubtype(py_type(exception), class);
}

/* The frame of a traceback, borrowed: the attribute tb_frame is audited. NULL: it is none. */
_hidden_ PyObject *error_frame(PyObject *trace)
{
	if (!trace || (void *)py_type(trace) != py.PyTraceBack_Type)
		return NULL;
	return *(PyObject **)((char *)trace + TRACEBACK_FRAME_OFFSET);
}

/* The code of the frame that an exception has come to; 0: it has no traceback. */
_hidden_ uint64_t error_outermost(PyObject *exception)
{
	PyObject *first = py_get(exception, "__traceback__"), *frame = error_frame(first);
	uint64_t code_raddr = frame ? frame_code(frame) : 0;

	if (first)
		py.Py_DecRef(first);
	return code_raddr;
}
