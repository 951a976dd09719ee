/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dropped: what a task or future had not told when nobody held it any more
 *
 * The finaliser (tp_finalize, __del__) of asyncio's Future and Task logs an exception that nobody
 * has looked at and a task that is still pending. We stand before it and ask the same questions:
 * two or three calls of C functions for each task that dies. What a program's handler of exceptions
 * or its logger does with what the finaliser says does not matter.
 *
 * When the collector takes a task in a cycle, it finalises the coroutine first, since that is
 * older, and the coroutine is closed by it: where it waited can only be seen then. So the finaliser
 * of coroutines is asked too, and what a suspended one waited for is kept for the task that may
 * follow. A coroutine that has run to its end, as all others do, costs one more comparison.
 *
 * A loop that was closed, or a program that ends, has left a task behind: that is another pitfall
 * than a task which the collector took from under a running loop.
 */
#include <errno.h>
#include <string.h>

#include "emit.h"
#include "fork.h"
#include "intern.h"
#include "py/cancel.h"
#include "py/crowd.h"
#include "py/dropped.h"
#include "py/flood.h"
#include "py/frame.h"
#include "py/future.h"
#include "py/gil.h"
#include "py/origin.h"
#include "py/refusal.h"
#include "py/running.h"
#include "py/tell.h"
#include "py/twin.h"
#include "py/unhandled.h"
#include "py/unreferenced.h"

/* As many tasks as one pass of the collector may find; of more, the first are without their line.
 */
#define CLOSED_N	  64
#define CLOSED_MAX_FRAMES 16

/* CPython 3.8-3.10 Include/cpython/descrobject.h, structmember.h: PyMemberDef.offset. */
#define DESCRIPTOR_OWN_OFFSET 40
#define MEMBER_OFFSET_OFFSET  16

/* Where a coroutine waited that its finaliser has closed; guarded by the GIL. */
struct closed {
	PyObject *coroutine; /* its address, no reference; NULL: free */
	uint32_t n_frames;
	struct record_frame frames[CLOSED_MAX_FRAMES];
};

typedef void (*finalize_fn)(PyObject *self);

static finalize_fn future_finalize, task_finalize, coroutine_finalize;
static struct getter coroutine_suspended; /* from 3.11 */
static size_t coroutine_frame_offset;	  /* until 3.10 */
static struct closed closed[CLOSED_N];
static unsigned int closed_next;

/* What the program had set is put back: an exception, errno. */
struct aside {
	PyObject *type, *value, *traceback;
	int saved_errno;
};

static struct aside aside_put(void)
{
	struct aside aside = {.saved_errno = errno};

	py.PyErr_Fetch(&aside.type, &aside.value, &aside.traceback);
	return aside;
}

static void aside_back(const struct aside *aside)
{
	py.PyErr_Restore(aside->type, aside->value, aside->traceback);
	errno = aside->saved_errno;
}

static bool can_tell(void)
{
	return fork_watch_open() && frame_tstate();
}

/* A future that failed and was not asked. */
_hidden_ void dropped_failed(PyObject *future)
{
	struct pitfall_facts facts = {.pitfall = PITFALL_EXCEPTION_NEVER_RETRIEVED};
	PyObject *exception = py_get(future, "_exception");
	struct stack_buf stack, origin;

	if (!exception)
		return;
	if (exception != py._Py_NoneStruct && can_tell()) {
		tell_task(future, &facts);
		tell_exception(exception, &facts);
		tell_traceback(exception, &stack);
		facts.stack = &stack;
		facts.origin = origin_of_task(future, facts.coro_str, &origin);
		facts.pitfall = unhandled_pitfall(exception, &stack, facts.pitfall);
		if (!refusal_ended(exception, &stack))
			emit_pitfall(&facts);
	}
	py.Py_DecRef(exception);
}

static struct closed *closed_find(PyObject *coroutine)
{
	for (unsigned int i = 0; i < CLOSED_N; i++)
		if (closed[i].coroutine == coroutine)
			return &closed[i];
	return NULL;
}

/* Where the task's coroutine waits, or waited until just now. */
static void task_awaits(PyObject *coroutine, struct stack_buf *ret_stack)
{
	struct closed *found;

	if (tell_awaits(coroutine, ret_stack))
		return;
	found = closed_find(coroutine);
	if (!found)
		return;
	ret_stack->stack.n_frames = found->n_frames;
	memcpy(ret_stack->frames, found->frames, found->n_frames * sizeof(found->frames[0]));
	found->coroutine = NULL;
}

static bool loop_is_closed(PyObject *task)
{
	PyObject *loop = py_get(task, "_loop"), *class, *method, *answer = NULL;
	bool is_closed;

	if (!loop)
		return false;
	class = running_uvloop_class(loop);
	method = class ? py.PyObject_GetAttrString(class, "is_closed") : NULL;
	if (method)
		answer = py.PyObject_CallFunctionObjArgs(method, loop, NULL);
	else
		answer = py_get(loop, "_closed");
	py.PyErr_Clear();
	is_closed = answer == py._Py_TrueStruct;
	if (answer)
		py.Py_DecRef(answer);
	if (method)
		py.Py_DecRef(method);
	py.Py_DecRef(loop);
	return is_closed;
}

/* Whether the coroutine has not run yet, and will be told of as never awaited. */
static bool is_untouched(PyObject *coroutine)
{
	PyObject *frame, *lasti;
	long number;

	if (coroutine_suspended.function)
		return !getter_is_true(&coroutine_suspended, coroutine);
	frame = *(PyObject **)((char *)coroutine + coroutine_frame_offset);
	lasti = frame ? py_get(frame, "f_lasti") : NULL;
	number = lasti ? py.PyLong_AsLong(lasti) : 0;
	py.PyErr_Clear();
	tell_unref(lasti);
	return number < 0;
}

/* What is told of its task is the same: that it was never awaited is not told as well. */
static void spare(PyObject *coroutine)
{
	if ((void *)py_type(coroutine) == py.PyCoro_Type && !py_is_finalized(coroutine) &&
	    is_untouched(coroutine))
		refusal_add(coroutine);
}

/* A task that was made of what was refused. */
static void refused(PyObject *task)
{
	PyObject *coroutine = py_get(task, "_coro");

	if (coroutine)
		spare(coroutine);
	tell_unref(coroutine);
}

/* A task that had not ended. */
_hidden_ void dropped_unfinished(PyObject *task)
{
	struct pitfall_facts facts = {.pitfall = PITFALL_TASK_DESTROYED_PENDING};
	PyObject *coroutine = py_get(task, "_coro");
	struct stack_buf stack, origin;

	if (!coroutine)
		return;
	if (coroutine != py._Py_NoneStruct && can_tell()) {
		if (gil_is_ending() || loop_is_closed(task))
			facts.pitfall = PITFALL_TASK_NEVER_FINISHED;
		spare(coroutine);
		tell_task(task, &facts);
		facts.name_str = facts.coro_str;
		task_awaits(coroutine, &stack);
		facts.stack = &stack;
		facts.origin = origin_of_task(task, facts.coro_str, &origin);
		/* What has no code is asyncio's own: the end of a generator that was left open. */
		if (facts.code.file_str)
			emit_pitfall(&facts);
	}
	py.Py_DecRef(coroutine);
}

/* Do something with nothing set, and set again what the program had. */
_hidden_ void dropped_aside(void (*what)(PyObject *), PyObject *object)
{
	struct aside aside = aside_put();

	what(object);
	aside_back(&aside);
}

/*
 * A constructor that fails drops its object with the exception set that it failed with, and of one
 * that is not initialised the getters raise another (3.8-3.11, ENSURE_FUTURE_ALIVE).
 */
static void ends(void (*what)(PyObject *), PyObject *object)
{
	if (unlikely(py.PyErr_Occurred() != NULL))
		dropped_aside(what, object);
	else
		what(object);
}

static void future_ends(PyObject *self)
{
	if (unlikely(getter_is_true(&future_class.log_traceback, self)))
		dropped_aside(dropped_failed, self);
}

static void on_future_finalize(PyObject *self)
{
	ends(future_ends, self);
	future_finalize(self);
}

static void task_ends(PyObject *self)
{
	if (unlikely(cancel_n_pending))
		cancel_task_ends(self);
	crowd_n_alive -= crowd_n_alive > 0;
	if (unlikely(crowd_n_noted))
		crowd_ends(self);
	if (unlikely(flood_is_open))
		flood_look();
	if (unlikely(unreferenced_n))
		unreferenced_ends(self);
	if (unlikely(refusal_n_tasks) && refusal_took_task(self) &&
	    future_is_pending(&task_class, self))
		dropped_aside(refused, self);
	if (unlikely(getter_is_true(&task_class.log_traceback, self)))
		dropped_aside(dropped_failed, self);
	else if (unlikely(future_is_pending(&task_class, self)) &&
		 getter_is_true(&task_class.log_pending, self))
		dropped_aside(dropped_unfinished, self);
}

static void on_task_finalize(PyObject *self)
{
	ends(task_ends, self);
	task_finalize(self);
}

static void keep_awaits(PyObject *coroutine)
{
	struct closed *entry = closed_find(coroutine);
	struct stack_buf stack;

	if (!can_tell() || !tell_awaits(coroutine, &stack))
		return;
	if (!entry)
		entry = &closed[closed_next++ % CLOSED_N];
	entry->coroutine = coroutine;
	entry->n_frames = MIN(stack.stack.n_frames, CLOSED_MAX_FRAMES);
	memcpy(entry->frames, stack.frames, entry->n_frames * sizeof(entry->frames[0]));
}

static bool is_suspended(PyObject *coroutine)
{
	if (coroutine_suspended.function)
		return getter_is_true(&coroutine_suspended, coroutine);
	return *(void **)((char *)coroutine + coroutine_frame_offset);
}

/* Out of line: what it needs of registers would be saved for each coroutine that ends. */
static _cold_ __attribute__((noinline)) void coroutine_look(PyObject *coroutine)
{
	if (is_suspended(coroutine))
		dropped_aside(keep_awaits, coroutine);
}

/* Apart, so that the way that nearly all take ends in a jump and keeps nothing on the stack. */
static __attribute__((noinline)) void coroutine_finalize_slowly(PyObject *self, int8_t state)
{
	const struct pyframe_layout *layout = &watch.pyframe.layout;

	if (!layout->gen_state || state == layout->gen_suspended || state == layout->gen_awaiting)
		coroutine_look(self);
	coroutine_finalize(self);
	if (refusal_n)
		refusal_took(self);
}

/*
 * Every await of a coroutine ends here. Where the reader knows the byte that cr_suspended looks at
 * (from 3.11 on), most that come are seen to have run to their end without a call.
 */
static void on_coroutine_finalize(PyObject *self)
{
	const struct pyframe_layout *layout = &watch.pyframe.layout;
	int8_t state = layout->gen_state ? *((int8_t *)self + layout->gen_state) : 0;

	if (unlikely(refusal_n || !layout->gen_state || state == layout->gen_suspended ||
		     state == layout->gen_awaiting))
		coroutine_finalize_slowly(self, state);
	else
		coroutine_finalize(self);
}

static bool finalizer_of_coroutines(PyObject *class)
{
	PyObject *member = py.PyObject_GetAttrString(class, "cr_frame");
	char *def = NULL;

	if (!getter_find(class, "cr_suspended", &coroutine_suspended) && member &&
	    (void *)py_type(member) == py.PyMemberDescr_Type) {
		def = *(char **)((char *)member + DESCRIPTOR_OWN_OFFSET);
		coroutine_frame_offset = *(size_t *)(def + MEMBER_OFFSET_OFFSET);
	}
	py.PyErr_Clear();
	if (member)
		py.Py_DecRef(member);
	return (coroutine_suspended.function || def) &&
	       slot_replace(class, "__del__", (void *)on_coroutine_finalize,
			    (void **)&coroutine_finalize);
}

static bool finalizers_install(void)
{
	return slot_replace(future_class.class, "__del__", (void *)on_future_finalize,
			    (void **)&future_finalize) &&
	       slot_replace(task_class.class, "__del__", (void *)on_task_finalize,
			    (void **)&task_finalize);
}

/* Whether the end of tasks of this class is seen: a __del__ of its own stands before ours. */
_hidden_ bool dropped_sees(PyObject *class)
{
	return finalizer_get(class) == (void *)on_task_finalize;
}

/* Whether the end of this task will be seen: an object that came back is not finalised again. */
_hidden_ bool dropped_will_see(PyObject *task)
{
	return (dropped_sees(py_type(task)) || twin_sees(py_type(task))) && !py_is_finalized(task);
}

/* Needs the GIL, no exception set. */
_hidden_ void dropped_install_coroutines(void)
{
	if (!finalizer_of_coroutines((PyObject *)py.PyCoro_Type))
		watch_lost(LOSS_HOOK_REFUSED);
}

/* In a fork child: the names are the parent's. */
_hidden_ void dropped_forget(void)
{
	memset(closed, 0, sizeof(closed));
}

/* Needs the GIL, no exception set. */
_hidden_ void dropped_install(PyObject *asyncio_module)
{
	if (future_init(asyncio_module) && finalizers_install())
		watch_detects(DETECTOR_TASKS);
	else
		watch_lost(LOSS_HOOK_REFUSED);
}
