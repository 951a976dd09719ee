/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unreferenced: suspended tasks that nothing holds but what they wait for; in strict mode
 *
 * The loop knows its tasks by weak references. One that waits is held by the future it waits for,
 * through the callback that will wake it, once (twice from CPython 3.14 on); when that is all, the
 * collector may take both. A task is noted when it is made, and looked at after the first callback
 * of a turn, some tasks at a time: while its own step has just ended, the loop's handle still holds
 * it, and it is looked at again. A note is a borrowed address and goes with the task's finaliser,
 * so a task whose finaliser we do not see is not noted.
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
#include "py/library.h"
#include "py/tell.h"
#include "py/unreferenced.h"

/* Tasks made while so many live are not noted. */
#define UNREFERENCED_N 256
/* Of them looked at in a turn. */
#define UNREFERENCED_LOOKS 16
/* ensure_future() > create_task() > a task factory, and who called. */
#define UNREFERENCED_MAX_ORIGIN 6

struct note {
	uint32_t n_origin;
	struct record_frame origin[UNREFERENCED_MAX_ORIGIN];
};

_hidden_ uint32_t unreferenced_n;

/*
 * Whose notes they are, close together since they are searched; borrowed. The first unreferenced_n
 * are there, so that one task alone costs its own look in a turn and no more.
 */
static PyObject *tasks[UNREFERENCED_N];
static struct note notes[UNREFERENCED_N];
static uint32_t next_look;

static bool ends_with(uint32_t str, const char *end)
{
	size_t length, end_length = strlen(end);
	const char *text = intern_text(str, &length);

	return length >= end_length && !memcmp(text + length - end_length, end, end_length);
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

	while (i < note->n_origin && library_is_asyncio(note->origin[i].file_str) &&
	       makes_tasks(&note->origin[i]))
		i++;
	return i < note->n_origin && library_is_asyncio(note->origin[i].file_str);
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

/* Return: unreferenced_n when there is none. */
static uint32_t place_of(const PyObject *task)
{
	uint32_t i = 0;

	while (i < unreferenced_n && tasks[i] != task)
		i++;
	return i;
}

static void note_make(PyObject *task)
{
	uint32_t place = unreferenced_n;
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
	if (unreferenced_n < UNREFERENCED_N && dropped_will_see(task) &&
	    place_of(task) == unreferenced_n)
		note_make(task);
}

/* The last one moves to its place. */
static void note_free(uint32_t place)
{
	uint32_t last = --unreferenced_n;

	callback_work--;
	tasks[place] = tasks[last];
	if (place != last)
		notes[place] = notes[last];
}

/* A task is finalised while there are notes, or need not be looked at any more. */
_hidden_ _cold_ void unreferenced_ends(PyObject *task)
{
	uint32_t place = place_of(task);

	if (place < unreferenced_n)
		note_free(place);
}

/* For what is still to come: once it is there, or cancelled, the loop holds the task to wake it. */
static bool is_waiting(PyObject *task)
{
	PyObject *waiter = py_get(task, "_fut_waiter");
	PyObject *state = waiter ? py_get(waiter, "_state") : NULL;
	bool is = state && tell_is(state, "PENDING");

	tell_unref(state);
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

/*
 * Asking for the name makes an object, and with it the collector may come: it may take tasks that
 * have notes, which then move, and would this one too.
 */
static void note_tell(PyObject *task, const struct note *note)
{
	struct pitfall_facts facts = {.pitfall = PITFALL_UNREFERENCED_TASK};
	PyObject *coroutine = py_get(task, "_coro");
	struct stack_buf stack, origin = {.stack.n_frames = note->n_origin};

	memcpy(origin.frames, note->origin, note->n_origin * sizeof(note->origin[0]));
	py.Py_IncRef(task);
	if (coroutine && fork_watch_open() && tell_awaits(coroutine, &stack)) {
		tell_task(task, &facts);
		facts.name_str = facts.coro_str;
		facts.stack = &stack;
		facts.origin = &origin;
		emit_pitfall(&facts);
	}
	tell_unref(coroutine);
	py.Py_DecRef(task);
}

/* Return: whether it need not be looked at again. The low half of ob_refcnt is all that counts. */
static bool note_look(PyObject *task, const struct note *note)
{
	if (!future_task_is_pending(task))
		return true;
	if (*(uint32_t *)task != waiting_references() || !is_waiting(task))
		return false;
	note_tell(task, note);
	return true;
}

/* In a fork child: the names are the parent's. */
_hidden_ void unreferenced_forget(void)
{
	callback_work -= unreferenced_n;
	unreferenced_n = 0;
}

/* After the first callback of a turn, while there are notes. */
static _cold_ void turn_look(void)
{
	PyObject *type, *value, *traceback;
	int saved_errno = errno;

	py.PyErr_Fetch(&type, &value, &traceback);
	for (uint32_t i = MIN(unreferenced_n, UNREFERENCED_LOOKS); i && unreferenced_n; i--) {
		uint32_t place = next_look++ % unreferenced_n;

		PyObject *task = tasks[place];

		if (note_look(task, &notes[place]))
			unreferenced_ends(task);
	}
	py.PyErr_Restore(type, value, traceback);
	errno = saved_errno;
}

/* Between two callbacks, while there are notes. Needs the GIL. */
_hidden_ void unreferenced_edge(const struct loop *loop)
{
	static const struct loop *looked_loop;
	static uint64_t looked_turn;
	uint64_t turn = emit_turn_seq(loop);

	if (loop == looked_loop && turn == looked_turn)
		return;
	looked_loop = loop;
	looked_turn = turn;
	turn_look();
}
