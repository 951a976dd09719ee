/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unreferenced: suspended tasks that nothing holds but what they wait for; in strict mode
 *
 * The loop knows its tasks by weak references. One that waits is held by the future it waits for,
 * through the callback that will wake it, once (twice from CPython 3.14 on); when that is all, the
 * collector may take both. A task is noted when it is made, and looked at between two callbacks,
 * some tasks at a time: while its own step has just ended, the loop's handle still holds it, and it
 * is looked at again. A note is a borrowed address and goes with the task's finaliser, so a task
 * whose finaliser we do not see is not noted.
 *
 * A task that asyncio makes by itself (for a connection, a subprocess's pipe, in wait_for()) is
 * nobody's to hold: it was made by code of asyncio's that no code of the user's called to make one.
 *
 * All of it needs the GIL, which guards it.
 */
#include <errno.h>
#include <string.h>

#include "emit.h"
#include "fork.h"
#include "intern.h"
#include "py/callback.h"
#include "py/dropped.h"
#include "py/frame.h"
#include "py/future.h"
#include "py/tell.h"
#include "py/unreferenced.h"

/* Tasks made while so many live are not noted. */
#define UNREFERENCED_N 256
/* Of them looked at between two callbacks. */
#define UNREFERENCED_LOOKS 4
/* ensure_future() > create_task() > a task factory, and who called. */
#define UNREFERENCED_MAX_ORIGIN 6

struct note {
	uint32_t n_origin;
	struct record_frame origin[UNREFERENCED_MAX_ORIGIN];
};

_hidden_ uint32_t unreferenced_n;

/* Whose notes they are, close together since they are searched; borrowed; NULL: free. */
static PyObject *tasks[UNREFERENCED_N];
static struct note notes[UNREFERENCED_N];
static uint32_t next_look;

static bool ends_with(uint32_t str, const char *end)
{
	size_t length, end_length = strlen(end);
	const char *text = intern_text(str, &length);

	return length >= end_length && !memcmp(text + length - end_length, end, end_length);
}

static bool is_of_asyncio(const struct record_frame *frame)
{
	static const char folder[] = "/asyncio/";
	size_t length;
	const char *text = intern_text(frame->file_str, &length);

	return memmem(text, length, folder, sizeof(folder) - 1);
}

static bool makes_tasks(const struct record_frame *frame)
{
	return ends_with(frame->function_str, "create_task") ||
	       ends_with(frame->function_str, "ensure_future");
}

/* Whether whoever asked for a task, be it through ensure_future() and create_task(), is asyncio. */
static bool is_made_by_asyncio(const struct note *note)
{
	uint32_t i = 0;

	while (i < note->n_origin && is_of_asyncio(&note->origin[i]) &&
	       makes_tasks(&note->origin[i]))
		i++;
	return i < note->n_origin && is_of_asyncio(&note->origin[i]);
}

static bool origin_take(struct note *note)
{
	uint64_t tstate_raddr = fork_watch_open() ? frame_tstate() : 0;
	struct pyframe_stack found;
	struct stack_buf stack;

	if (!tstate_raddr || pyframe_walk(&watch.pyframe, &watch.self, tstate_raddr, &found))
		return false;
	found.n_frames = MIN(found.n_frames, UNREFERENCED_MAX_ORIGIN);
	emit_stack_names(&watch.self, &found, &stack);
	note->n_origin = stack.stack.n_frames;
	memcpy(note->origin, stack.frames, note->n_origin * sizeof(note->origin[0]));
	return !is_made_by_asyncio(note);
}

/* Return: UNREFERENCED_N when there is none; of NULL, a place that is free. */
static uint32_t place_of(const PyObject *task)
{
	uint32_t i = 0;

	while (i < UNREFERENCED_N && tasks[i] != task)
		i++;
	return i;
}

static void note_make(PyObject *task, uint32_t place)
{
	PyObject *type, *value, *traceback;
	int saved_errno = errno;

	py.PyErr_Fetch(&type, &value, &traceback);
	if (origin_take(&notes[place])) {
		tasks[place] = task;
		unreferenced_n++;
		callback_work++;
	}
	py.PyErr_Restore(type, value, traceback);
	errno = saved_errno;
}

/* A task was made, in strict mode; or one was initialised once more. */
_hidden_ _cold_ void unreferenced_made(PyObject *task)
{
	uint32_t place;

	if (unreferenced_n == UNREFERENCED_N || !dropped_will_see(task) ||
	    (unreferenced_n && place_of(task) < UNREFERENCED_N))
		return;
	place = place_of(NULL);
	if (place < UNREFERENCED_N)
		note_make(task, place);
}

static void note_free(uint32_t place)
{
	tasks[place] = NULL;
	unreferenced_n--;
	callback_work--;
}

/* A task is finalised while there are notes. */
_hidden_ _cold_ void unreferenced_ends(PyObject *task)
{
	uint32_t place = place_of(task);

	if (place < UNREFERENCED_N)
		note_free(place);
}

static bool is_waiting(PyObject *task)
{
	PyObject *waiter = py_get(task, "_fut_waiter");
	bool is = waiter && waiter != py._Py_NoneStruct;

	tell_unref(waiter);
	return is;
}

/* What a task that waits is held by, by the loop's own doing. */
static uint32_t waiting_references(void)
{
	static uint32_t n;

	if (!n)
		n = watch.region.header->python_hex >= 0x030e0000 ? 2 : 1;
	return n;
}

static void note_tell(PyObject *task, const struct note *note)
{
	struct pitfall_facts facts = {.pitfall = PITFALL_UNREFERENCED_TASK};
	PyObject *coroutine = py_get(task, "_coro");
	struct stack_buf stack, origin = {.stack.n_frames = note->n_origin};

	if (coroutine && fork_watch_open() && tell_awaits(coroutine, &stack)) {
		tell_task(task, &facts);
		facts.name_str = facts.coro_str;
		memcpy(origin.frames, note->origin, note->n_origin * sizeof(note->origin[0]));
		facts.stack = &stack;
		facts.origin = &origin;
		emit_pitfall(&facts);
	}
	tell_unref(coroutine);
}

/* Return: whether it need not be looked at again. The low half of ob_refcnt is all that counts. */
static bool note_look(PyObject *task, const struct note *note)
{
	if (!future_is_pending(&task_class, task))
		return true;
	if (*(uint32_t *)task != waiting_references() || !is_waiting(task))
		return false;
	note_tell(task, note);
	return true;
}

/* Between two callbacks, while there are notes. Needs the GIL. */
_hidden_ _cold_ void unreferenced_edge(void)
{
	PyObject *type, *value, *traceback;
	int saved_errno = errno;

	py.PyErr_Fetch(&type, &value, &traceback);
	for (uint32_t i = 0, n = 0;
	     i < UNREFERENCED_N && n < MIN(unreferenced_n, UNREFERENCED_LOOKS); i++) {
		uint32_t place = next_look++ % UNREFERENCED_N;

		if (!tasks[place])
			continue;
		n++;
		if (note_look(tasks[place], &notes[place]))
			note_free(place);
	}
	py.PyErr_Restore(type, value, traceback);
	errno = saved_errno;
}
