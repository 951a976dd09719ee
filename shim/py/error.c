/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error: which exceptions are cancellations, and how far one has come
 *
 * Called with the GIL held and no exception set.
 */
#include "base/defs.h"
#include "py/error.h"

/* CPython 3.8-3.15 Include/cpython/traceback.h: PyTracebackObject.tb_frame. */
#define TRACEBACK_FRAME_OFFSET 24
/* PyFrameObject.f_code of 3.8 Include/frameobject.h, which has no function for it. */
#define FRAME_CODE_OFFSET_3_8 32

/* The class, borrowed from its module; NULL while that has not been imported. */
_hidden_ PyObject *error_cancelled_class(void)
{
	PyObject *module = py_module("asyncio.exceptions");
	PyObject *class = module ? py_get(module, "CancelledError") : NULL;

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

static uint64_t frame_code(PyObject *frame)
{
	PyObject *code;

	if (!py.PyFrame_GetCode)
		return *(uint64_t *)((char *)frame + FRAME_CODE_OFFSET_3_8);
	code = py.PyFrame_GetCode(frame);
	py.Py_DecRef(code);
	return (uint64_t)(uintptr_t)code;
}

/* The code of the frame that an exception has come to; 0: it has no traceback. */
_hidden_ uint64_t error_outermost(PyObject *exception)
{
	PyObject *first = py_get(exception, "__traceback__");
	uint64_t code_raddr = 0;

	if (first && (void *)py_type(first) == py.PyTraceBack_Type)
		code_raddr = frame_code(*(PyObject **)((char *)first + TRACEBACK_FRAME_OFFSET));
	if (first)
		py.Py_DecRef(first);
	return code_raddr;
}
