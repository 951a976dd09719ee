/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame that runs now, as the interpreter itself knows it
 *
 * What the reader of stacks is held against before it is used for the first time: a build with
 * other layouts than are known gives no stacks at all, and is counted. A thread that runs no Python
 * code has no such frame, and is taken for one that cannot be read.
 */
#include "py/api.h"
#include "py/frame.h"
#include "watch.h"

#define FRAME_CODE_OFFSET_3_8 32

/*
 * The code of a frame, by the interpreter's word; the frame holds it. The attribute f_code is
 * audited, and 3.8 has no function for it: PyFrameObject.f_code of 3.8 Include/frameobject.h.
 */
_hidden_ uint64_t frame_code(PyObject *frame)
{
	PyObject *code;

	if (!py.PyFrame_GetCode)
		return *(uint64_t *)((char *)frame + FRAME_CODE_OFFSET_3_8);
	code = py.PyFrame_GetCode(frame);
	py.Py_DecRef(code);
	return (uint64_t)(uintptr_t)code;
}

/* This thread's state; 0 when its frames cannot be read. Needs the GIL. */
_hidden_ uint64_t frame_tstate(void)
{
	uint64_t tstate_raddr = (uint64_t)(uintptr_t)py.PyThreadState_Get(), code_raddr = 0;
	PyObject *frame = watch.is_frames_tried ? NULL : py.PyEval_GetFrame();
	int line = 0;

	if (frame) {
		code_raddr = frame_code(frame);
		line = py.PyFrame_GetLineNumber(frame);
	}
	return watch_frames_ready(tstate_raddr, code_raddr, line) ? tstate_raddr : 0;
}
