/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Callback: where one callback of a loop ends and the next begins
 *
 * asyncio runs each callback by Context.run(). The C function behind that method is exchanged in
 * the type's static method table: the method, its frames, its tracebacks and a patched
 * Handle._run() stay as they are. Only the outermost call on a thread with an open turn is an edge.
 *
 * uvloop calls PyContext_Enter() and PyContext_Exit() itself; its imports of the two are led here.
 * Pairs can be nested: the ready queue is run inside the idle handle's own pair. The end of each
 * inner pair is an edge. So is the end of an outer one, unless it only closes what inner ones have
 * already told: that saves the fourth clock read of a turn.
 */
#include <string.h>

#include "loop.h"
#include "patch.h"
#include "py/callback.h"
#include "py/callee.h"
#include "py/cancel.h"
#include "py/origin.h"
#include "py/twin.h"
#include "py/unreferenced.h"

/* CPython 3.8-3.15 Include/cpython/descrobject.h: PyMethodDescrObject.d_method. */
#define METHOD_DESCRIPTOR_DEF_OFFSET 40

_hidden_ struct callback_code callback_framework[2];

_hidden_ uint32_t callback_work;

static method_fast_fn context_run;
static struct method_def *context_run_method; /* NULL: we do not stand behind it */

static _cold_ void callback_slow(struct loop *loop, uint64_t span, PyObject *callable)
{
	struct callee callee;
	bool is_known =
		callable && span >= watch.limits.blocking_call && callee_of(callable, &callee);

	loop_callback_slow(loop, loop->edge, span, is_known ? &callee : NULL);
}

static _cold_ void callback_more(struct loop *loop)
{
	if (cancel_n_pending)
		cancel_edge(loop);
	if (unreferenced_n)
		unreferenced_edge(loop);
	origin_edge();
}

static inline __attribute__((always_inline)) void callback_ended(struct loop *loop,
								 PyObject *callable)
{
	uint64_t span = loop_callback_edge(loop, clock_ticks(watch.clock_kind));

	if (unlikely(loop_callback_is_slow(loop, span)))
		callback_slow(loop, span, callable);
	else
		loop->callback_calls = 0;
	if (unlikely(callback_work))
		callback_more(loop);
}

/* Of an open turn, by the framework's word. */
_hidden_ void callback_edge(struct loop *loop)
{
	callback_ended(loop, NULL);
}

static PyObject *on_context_run(PyObject *self, PyObject *const *args, ssize_t n_args,
				PyObject *names)
{
	struct loop *loop = thread_loop;
	PyObject *result;

	if (unlikely(!loop) || !loop->is_ready)
		return context_run(self, args, n_args, names);
	loop->is_ready = false;
	result = context_run(self, args, n_args, names);
	/* The callback may have stopped the loop, or run another turn of it. */
	if (likely(thread_loop == loop && loop->is_open))
		callback_ended(loop, n_args > 0 ? args[0] : NULL);
	loop->is_ready = loop->is_open;
	return result;
}

static PyObject *on_context_run_twin(PyObject *self, PyObject *const *args, ssize_t n_args,
				     PyObject *names)
{
	PyObject *stepped_before = twin_callback_begins(args, n_args);
	PyObject *result = on_context_run(self, args, n_args, names);

	twin_callback_ends(stepped_before);
	return result;
}

/* A task in Python has been made: from now on its steps are looked at, and what gather() hears. */
_hidden_ void callback_watch_twins(void)
{
	void *unused;

	if (context_run_method && context_run_method->function == (void *)on_context_run)
		py_patch_method(context_run_method, (void *)on_context_run_twin, &unused);
}

/* Needs the GIL, no exception set. */
_hidden_ void callback_install(void)
{
	PyObject *run = py.PyObject_GetAttrString(py.PyContext_Type, "run");
	struct method_def *method;
	bool is_as_expected;

	if (!run) {
		py.PyErr_Clear();
		watch_lost(LOSS_HOOK_REFUSED);
		return;
	}
	method = *(struct method_def **)((char *)run + METHOD_DESCRIPTOR_DEF_OFFSET);
	is_as_expected = py_type(run) == py.PyMethodDescr_Type && !strcmp(method->name, "run") &&
			 method->flags == METHOD_FAST_NAMES;
	if (!is_as_expected ||
	    !py_patch_method(method, (void *)on_context_run, (void **)&context_run))
		watch_lost(LOSS_HOOK_REFUSED);
	else
		context_run_method = method;
	if (context_run_method)
		watch_detects(DETECTOR_CALLBACKS);
	py.Py_DecRef(run);
}

/*
 * Both do our part first and leave by the real one, so that neither needs a frame. It can fail only
 * for a context that is in use already, and then uvloop's own call is lost; the count of depth is
 * right again with the next turn.
 */
static int on_context_enter(PyObject *context)
{
	struct loop *loop = thread_loop;

	if (likely(loop))
		loop->depth++;
	return py.PyContext_Enter(context);
}

static int on_context_exit(PyObject *context)
{
	struct loop *loop = thread_loop;

	if (unlikely(!loop) || !loop->is_open || !loop->depth)
		return py.PyContext_Exit(context);
	loop->depth--;
	if (!loop->depth && loop->has_inner) {
		loop->has_inner = false;
	} else {
		loop->has_inner = loop->depth;
		callback_ended(loop, NULL);
	}
	return py.PyContext_Exit(context);
}

static void find_framework(unsigned int i, const void *inside)
{
	struct callback_code *code = &callback_framework[i];

	if (inside)
		patch_find_object(inside, &code->start, &code->size_bytes);
}

/*
 * The deallocator of uvloop's class is an address inside its module; its methods are of no use
 * here, since Cython 3 wraps them. Needs the GIL; does its work once.
 */
_hidden_ void callback_install_uvloop(PyObject *uvloop_class)
{
	static bool is_tried, is_in;
	void *unused;
	const void *code;

	if (is_tried)
		goto out;
	is_tried = true;
	code = py_class_dealloc(uvloop_class);
	is_in = code && patch_import(code, "PyContext_Enter", (void *)on_context_enter, &unused) &&
		patch_import(code, "PyContext_Exit", (void *)on_context_exit, &unused);
	find_framework(0, code);
	/* Called by now: the loop that is about to run has been made. */
	find_framework(1, code ? patch_find_import(code, "uv_loop_init") : NULL);
out:
	if (is_in)
		watch_detects(DETECTOR_CALLBACKS);
	else
		watch_lost(LOSS_CALLBACKS_UNTIMED);
}
