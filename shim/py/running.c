/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running: a framework says which loop runs on this thread
 *
 * asyncio, uvloop and whatever is built on them call _asyncio._set_running_loop() when a loop
 * starts (the loop) and stops (None). The function stays what it is; the C function behind it is
 * exchanged in its static method table, so it does not matter who has imported it before. What the
 * loop sleeps on is asked of the loop: asyncio's selector, uvloop's _get_backend_id().
 */
#include <errno.h>
#include <string.h>

#include "fork.h"
#include "loop.h"
#include "made.h"
#include "py/callback.h"
#include "py/cancel.h"
#include "py/exception.h"
#include "py/flood.h"
#include "py/frame.h"
#include "py/origin.h"
#include "py/running.h"
#include "py/task.h"
#include "py/unhandled.h"

/* CPython 3.8-3.15 Include/cpython/methodobject.h: PyCFunctionObject.m_ml behind the header. */
#define CFUNCTION_DEF_OFFSET 16

static method_o_fn set_running_loop;

/* The descriptor a loop of asyncio sleeps on; -1 when it has none. Clears what exception is set. */
_hidden_ int running_epoll_fd(PyObject *loop)
{
	PyObject *selector = py_get(loop, "_selector");
	PyObject *epoll = selector ? py_get(selector, "_selector") : NULL;
	int fd = -1;

	/* Another selector (poll, select) has no descriptor of its own. */
	if (epoll && !strcmp(py_type_name(epoll), "select.epoll"))
		fd = py.PyObject_AsFileDescriptor(epoll);
	py.PyErr_Clear();
	if (epoll)
		py.Py_DecRef(epoll);
	if (selector)
		py.Py_DecRef(selector);
	return fd;
}

/*
 * The C class of uvloop among the loop's bases; NULL when the loop is none of uvloop's. A class
 * made in Python has no dot in this name, so nobody else's method is taken for uvloop's.
 */
_hidden_ PyObject *running_uvloop_class(PyObject *loop)
{
	for (PyObject *type = py_type(loop); type; type = py_type_base(type))
		if (!strcmp(py_class_name(type), "uvloop.loop.Loop"))
			return type;
	return NULL;
}

static int uvloop_epoll_fd(PyObject *class, PyObject *loop)
{
	PyObject *method = py.PyObject_GetAttrString(class, "_get_backend_id");
	PyObject *id = method ? py.PyObject_CallFunctionObjArgs(method, loop, NULL) : NULL;
	long fd = id ? py.PyLong_AsLong(id) : -1;

	py.PyErr_Clear();
	if (id)
		py.Py_DecRef(id);
	if (method)
		py.Py_DecRef(method);
	return (int)fd;
}

static void started(PyObject *module, PyObject *loop)
{
	PyObject *uvloop = running_uvloop_class(loop);
	int epoll_fd = uvloop ? uvloop_epoll_fd(uvloop, loop) : running_epoll_fd(loop);
	struct loop *watched;

	if (epoll_fd < 0) {
		watch_lost(LOSS_LOOP_UNKNOWN);
		return;
	}
	watched =
		loop_start(uvloop ? FRAMEWORK_UVLOOP : FRAMEWORK_ASYNCIO, epoll_fd, frame_tstate());
	if (watched) {
		watch_detects(DETECTOR_TURNS | DETECTOR_CALLS);
		origin_loop_starts();
		exception_loop_starts();
		task_watch_loop(watched, module, loop, (const void *)set_running_loop);
	}
	if (uvloop)
		callback_install_uvloop(uvloop);
	else
		made_here_once(epoll_fd);
	unhandled_ready();
}

static void stopped(void)
{
	if (cancel_n_pending)
		cancel_loop_stops();
	origin_loop_stops();
	flood_loop_stops();
	loop_stop();
}

static PyObject *on_set_running_loop(PyObject *module, PyObject *loop)
{
	PyObject *result = set_running_loop(module, loop);
	int saved_errno = errno;

	if (!result)
		return NULL;
	if (loop == py._Py_NoneStruct)
		stopped();
	else if (fork_watch_open())
		started(module, loop);
	errno = saved_errno;
	return result;
}

/*
 * Needs the GIL, no exception set. Return: false when the module is not fully there yet.
 */
_hidden_ bool running_install(PyObject *asyncio_module)
{
	PyObject *function = py.PyObject_GetAttrString(asyncio_module, "_set_running_loop");
	struct method_def *method;
	bool is_as_expected;

	if (!function) {
		py.PyErr_Clear();
		return false;
	}
	method = *(struct method_def **)((char *)function + CFUNCTION_DEF_OFFSET);
	is_as_expected = py_type(function) == py.PyCFunction_Type &&
			 method->function == py.PyCFunction_GetFunction(function) &&
			 method->flags == METHOD_O;
	if (!is_as_expected ||
	    !py_patch_method(method, (void *)on_set_running_loop, (void **)&set_running_loop))
		watch_lost(LOSS_HOOK_REFUSED);
	py.Py_DecRef(function);
	return true;
}
