/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trio: its run function says which loop runs on this thread
 *
 * trio.run() makes a runner and stores it in a threading.local of a class of its own, RunContext
 * (trio 0.22 trio/_core/_run.py, setup_runner()); that is seen in the class's slot for it
 * (tp_setattro), as the loop of pure Python asyncio is (running.c). The runner knows its epoll
 * object, on which it sleeps. It steps its tasks by Context.run(), so callbacks are seen as those
 * of asyncio are. When the run is over it closes the epoll object.
 *
 * A guest run (start_guest_run()) sleeps in another thread, and what it does on this one are
 * callbacks of its host: it has no turns of its own. So is a run inside a callback of another loop:
 * there its waits are calls. While trio runs, loops of asyncio that are run in its tasks are not
 * listened to.
 *
 * Programs that use trio need not use asyncio, by whose import we find our way in, and may import
 * trio late. But no trio runs without a new epoll object: the constructor of those looks for it.
 *
 * Called with the GIL held.
 */
#include <errno.h>
#include <string.h>

#include "fork.h"
#include "loop.h"
#include "py/bootstrap.h"
#include "py/foreign.h"
#include "py/frame.h"
#include "py/method.h"
#include "py/running.h"
#include "py/task.h"
#include "py/tell.h"
#include "py/trio.h"

typedef PyObject *(*new_fn)(PyObject *class, PyObject *args, PyObject *names);
typedef int (*setattro_fn)(PyObject *self, PyObject *name, PyObject *value);

static new_fn epoll_new;
static setattro_fn context_set;
static PyObject *runner_name; /* interned, as the names of attributes are that code stores */

/* Whether a loop of trio's runs on this thread. */
_hidden_ bool trio_runs(void)
{
	return thread_loop && thread_loop->framework == FRAMEWORK_TRIO;
}

/* Whether trio.run() made the runner and will sleep on this thread, and not start_guest_run(). */
static bool is_by_run(uint64_t tstate_raddr)
{
	struct pyframe_stack found;
	struct pyframe_text text;

	return !pyframe_walk(&watch.pyframe, &watch.self, tstate_raddr, &found) &&
	       found.n_frames > 1 &&
	       !pyframe_describe(&watch.pyframe, &watch.self, &found.frames[1], &text) &&
	       text.function_len == strlen("run") && !memcmp(text.function, "run", strlen("run"));
}

static void starts(PyObject *runner)
{
	int saved_errno = errno, epoll_fd;
	struct loop *loop = NULL;
	uint64_t tstate_raddr;

	if (thread_loop || !fork_watch_open())
		return;
	tstate_raddr = frame_tstate();
	epoll_fd = running_epoll_of(runner, "io_manager", "_epoll");
	if (epoll_fd < 0 || !tstate_raddr)
		watch_lost(LOSS_LOOP_UNKNOWN);
	else if (is_by_run(tstate_raddr))
		loop = loop_start(FRAMEWORK_TRIO, epoll_fd, tstate_raddr);
	if (loop) {
		running_loop_starts();
		task_watch_loop(loop, NULL, NULL, NULL);
	}
	errno = saved_errno;
}

static int on_context_set(PyObject *self, PyObject *name, PyObject *value)
{
	int r = context_set(self, name, value);

	if (unlikely(name == runner_name) && !r && value)
		starts(value);
	return r;
}

/* The run is over. No exception is set. */
_hidden_ void trio_epoll_closes(PyObject *epoll)
{
	int fd;

	if (!trio_runs())
		return;
	fd = py.PyObject_AsFileDescriptor(epoll);
	py.PyErr_Clear();
	if (loop_owns(thread_loop, fd))
		running_stopped();
}

static bool context_install(PyObject *class)
{
	runner_name = py.PyUnicode_InternFromString("runner");
	return runner_name && !strcmp(py_class_name(class), "RunContext") &&
	       !strcmp(py_class_name(py_type_base(class)), "_thread._local") &&
	       class_replace(class, CLASS_SETATTRO, (void *)on_context_set, (void **)&context_set);
}

/* An epoll object is made: perhaps for trio, or for a trial while trio is being imported. */
static void look(void)
{
	static bool is_tried;
	PyObject *module = is_tried ? NULL : py_module("trio._core._run");
	PyObject *context = module ? py_get(module, "GLOBAL_RUN_CONTEXT") : NULL;

	if (!context)
		return;
	is_tried = true;
	bootstrap_install_shared();
	if (!context_install(py_type(context)))
		watch_lost(LOSS_HOOK_REFUSED);
	py.Py_DecRef(context);
}

static PyObject *on_epoll_new(PyObject *class, PyObject *args, PyObject *names)
{
	PyObject *type, *value, *traceback, *epoll;
	int saved_errno = errno;

	py.PyErr_Fetch(&type, &value, &traceback);
	look();
	py.PyErr_Restore(type, value, traceback);
	errno = saved_errno;
	epoll = epoll_new(class, args, names);
	saved_errno = errno;
	if (epoll)
		foreign_epoll_made(epoll);
	errno = saved_errno;
	return epoll;
}

/* No exception is set. Return: false when the module select has not been imported yet. */
_hidden_ bool trio_install(void)
{
	PyObject *module = py_module("select");
	PyObject *class = module ? py_get_class(module, "epoll") : NULL;

	if (class && (strcmp(py_class_name(class), "select.epoll") ||
		      !class_replace(class, CLASS_NEW, (void *)on_epoll_new, (void **)&epoll_new)))
		watch_lost(LOSS_HOOK_REFUSED);
	tell_unref(class);
	return class;
}
