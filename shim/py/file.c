/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File: files that code of a loop drops without closing them; in strict mode
 *
 * What open() gives is up to three objects, of which the innermost, the FileIO, has the descriptor.
 * When the outer ones are dropped they close what is inside, and before that ask it to warn, by its
 * method _dealloc_warn(), with the object that was dropped: the C function behind it is exchanged.
 * A FileIO that stands alone comes to its finaliser open; there it is stood behind as well.
 *
 * The line to mend is that of open(): the FileIO is initialised (tp_init) while it is on the stack,
 * and it is kept by descriptor (shim/made.c). On threads without a loop nothing is told.
 */
#include <errno.h>

#include "fork.h"
#include "made.h"
#include "py/file.h"
#include "py/frame.h"
#include "py/gil.h"
#include "py/method.h"
#include "py/resource.h"
#include "py/tell.h"

typedef int (*init_fn)(PyObject *self, PyObject *args, PyObject *names);

static PyObject *file_class; /* _io.FileIO; its module keeps it */
static init_fn file_init;
static method_o_fn file_warn;
static void (*file_finalize)(PyObject *file);

/* No code of a class derived from it is asked. */
static int file_fd(PyObject *file)
{
	int fd = py_type(file) == file_class ? py.PyObject_AsFileDescriptor(file) : -1;

	py.PyErr_Clear();
	return fd;
}

static bool is_open(PyObject *file)
{
	return py_is(file, "closed", py._Py_FalseStruct) &&
	       py_is(file, "closefd", py._Py_TrueStruct);
}

static void made(PyObject *file)
{
	int fd = file_fd(file);

	if (thread_loop)
		made_here(fd);
	else
		made_elsewhere(fd);
}

static int on_init(PyObject *self, PyObject *args, PyObject *names)
{
	int r = file_init(self, args, names);
	int saved_errno = errno;

	if (!r && watch_is_open() && !gil_is_ending())
		made(self);
	errno = saved_errno;
	return r;
}

static void file_tell(PyObject *file, PyObject *source)
{
	struct pitfall_facts facts = {.pitfall = PITFALL_UNCLOSED_RESOURCE};
	uint64_t tstate_raddr = fork_watch_open() ? frame_tstate() : 0;
	struct stack_buf stack, origin;
	PyObject *name;

	if (!tstate_raddr || !is_open(file))
		return;
	name = py_get(file, "name");
	facts.name_str = tell_class(py_type(source));
	facts.detail_str = tell_path(name);
	tell_unref(name);
	if (!resource_is_collecting(source)) {
		emit_own_stack(tstate_raddr, &stack);
		facts.stack = &stack;
	}
	if (made_stack(file_fd(file), &origin))
		facts.origin = &origin;
	if (facts.stack || facts.origin)
		emit_pitfall(&facts);
}

static _cold_ void file_dropped(PyObject *file, PyObject *source)
{
	PyObject *type, *value, *traceback;
	int saved_errno = errno;

	if (!thread_loop || !watch_is_open() || gil_is_ending())
		return;
	py.PyErr_Fetch(&type, &value, &traceback);
	file_tell(file, source);
	py.PyErr_Restore(type, value, traceback);
	errno = saved_errno;
}

static PyObject *on_warn(PyObject *self, PyObject *source)
{
	file_dropped(self, source);
	return file_warn(self, source);
}

static void on_finalize(PyObject *file)
{
	file_dropped(file, file);
	file_finalize(file);
}

/* The finaliser is every file's: that of the class of FileIO alone is exchanged. */
static bool finalizer_install(void)
{
	*(void **)&file_finalize = finalizer_get(file_class);
	if (!file_finalize)
		return false;
	finalizer_replace_copy(file_class, (void *)file_finalize, (void *)on_finalize);
	return true;
}

static bool install(void)
{
	PyObject *module = py_module("_io");

	file_class = module ? py_get_class(module, "FileIO") : NULL;
	tell_unref(file_class);
	return file_class &&
	       method_replace(file_class, "_dealloc_warn", METHOD_O, (void *)on_warn,
			      (void **)&file_warn) &&
	       finalizer_install() &&
	       slot_replace(file_class, "__init__", (void *)on_init, (void **)&file_init);
}

/* Once, by the first loop: only then is it known whether the mode is strict. Needs the GIL. */
_hidden_ void file_loop_starts(void)
{
	static bool is_tried;

	if (is_tried || !watch.options.is_strict || !watch.is_frames_ok)
		return;
	is_tried = true;
	if (!install())
		watch_lost(LOSS_HOOK_REFUSED);
}
