/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running: a framework says which loop runs on this thread
 *
 * asyncio, uvloop and whatever is built on them call _asyncio._set_running_loop() when a loop
 * starts (the loop) and stops (None). The function stays what it is; the C function behind it is
 * exchanged in its static method table, so it does not matter who has imported it before. What the
 * loop sleeps on is asked of the loop: asyncio's selector, uvloop's _get_backend_id().
 *
 * Without the C module the function is one in Python, which sets an attribute of a threading.local
 * of its own class; that is seen in the class's slot for it. The one thing that a program could
 * tell is that calling _running_loop.__setattr__() by that name is refused as of another class.
 */
#include <errno.h>
#include <string.h>

#include "fork.h"
#include "loop.h"
#include "made.h"
#include "py/callback.h"
#include "py/cancel.h"
#include "py/collection.h"
#include "py/exception.h"
#include "py/file.h"
#include "py/flood.h"
#include "py/frame.h"
#include "py/generator.h"
#include "py/method.h"
#include "py/origin.h"
#include "py/running.h"
#include "py/task.h"
#include "py/trio.h"
#include "py/unhandled.h"

/* CPython 3.8-3.15 Include/cpython/methodobject.h: PyCFunctionObject.m_ml behind the header. */
#define CFUNCTION_DEF_OFFSET 16

typedef int (*setattro_fn)(PyObject *self, PyObject *name, PyObject *value);

static method_o_fn set_running_loop;
static setattro_fn running_set;

/* Held by asyncio while it runs. */
_hidden_ __thread PyObject *running_twin_loop __attribute__((tls_model("initial-exec")));

/*
 * The descriptor of the epoll object that an attribute of an attribute of a loop is; -1: it is
 * none. Clears what exception is set.
 */
_hidden_ int running_epoll_of(PyObject *loop, const char *outer, const char *inner)
{
	PyObject *selector = py_get(loop, outer);
	PyObject *epoll = selector ? py_get(selector, inner) : NULL;
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

/* The descriptor a loop of asyncio sleeps on; -1 when it has none. Clears what exception is set. */
_hidden_ int running_epoll_fd(PyObject *loop)
{
	return running_epoll_of(loop, "_selector", "_selector");
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

/* What is looked at on a loop's thread, whosever loop it is: one has been found. */
_hidden_ void running_loop_starts(void)
{
	watch_detects(DETECTOR_TURNS | DETECTOR_CALLS);
	origin_loop_starts();
	exception_loop_starts();
	generator_loop_starts();
	file_loop_starts();
	collection_install();
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
		running_loop_starts();
		flood_loop_starts(frame_tstate());
		task_watch_loop(watched, module, loop, (const void *)set_running_loop);
	}
	if (uvloop)
		callback_install_uvloop(uvloop);
	else
		made_here_once(epoll_fd);
	unhandled_ready();
}

/* The loop of this thread runs no more. Needs the GIL. */
_hidden_ void running_stopped(void)
{
	if (cancel_n_pending)
		cancel_loop_stops();
	origin_loop_stops();
	flood_loop_stops();
	loop_stop();
}

/* module: the C module that says so, NULL when Python code did. */
static void told(PyObject *module, PyObject *loop)
{
	int saved_errno = errno;

	if (trio_runs())
		return;
	if (loop == py._Py_NoneStruct)
		running_stopped();
	else if (fork_watch_open())
		started(module, loop);
	errno = saved_errno;
}

static PyObject *on_set_running_loop(PyObject *module, PyObject *loop)
{
	PyObject *result = set_running_loop(module, loop);

	if (result)
		told(module, loop);
	return result;
}

/* An attribute of events._running_loop, which is local to the thread: loop_pid = (loop, pid). */
static int on_running_set(PyObject *self, PyObject *name, PyObject *value)
{
	int r = running_set(self, name, value);
	PyObject *loop;

	if (r || !value || (void *)py_type(value) != py.PyTuple_Type ||
	    py.PyTuple_Size(value) != 2 || py.PyUnicode_CompareWithASCIIString(name, "loop_pid"))
		return r;
	loop = py.PyTuple_GetItem(value, 0);
	running_twin_loop = loop == py._Py_NoneStruct ? NULL : loop;
	told(NULL, loop);
	return r;
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
	method = method_of_function(function);
	is_as_expected = method && method->flags == METHOD_O;
	if (!is_as_expected ||
	    !py_patch_method(method, (void *)on_set_running_loop, (void **)&set_running_loop))
		watch_lost(LOSS_HOOK_REFUSED);
	py.Py_DecRef(function);
	return true;
}

/*
 * The same for the function in Python. Needs the GIL, no exception set. Return: false when its
 * class is not as expected.
 */
_hidden_ bool running_install_twin(void)
{
	PyObject *events = py_module("asyncio.events");
	PyObject *running = events ? py_get(events, "_running_loop") : NULL;
	PyObject *class = running ? py_type(running) : NULL;
	bool is_in =
		class && !strcmp(py_class_name(class), "_RunningLoop") &&
		!strcmp(py_class_name(py_type_base(class)), "_thread._local") &&
		class_replace(class, CLASS_SETATTRO, (void *)on_running_set, (void **)&running_set);

	if (running)
		py.Py_DecRef(running);
	return is_in;
}
