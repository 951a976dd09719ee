/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cancel: cancellations that a task was given and did not let through
 *
 * The C function behind Task.cancel() is exchanged. When it accepts, the task is noted, with the
 * stack of who called and the chain of awaits it will surface in. How the task ends is seen when it
 * is finalised, at the latest; one that the program holds is looked at between two callbacks, one
 * task at a time, as long as there is any. A task that ended with a result although more was
 * cancelled than uncancelled has swallowed it; one that still runs after the grace ignores it.
 *
 * Where in the chain it was caught is told by the CancelledError when it dies: its traceback holds
 * the frames it came through, the outermost first, and that is where it was caught. To see it, the
 * class is given a finaliser in its slot, not in its dict.
 *
 * A task that waits for another hands its cancellation on, by the same method, so that both are
 * noted. When the other does not let it through, the first has never been asked: it is left out.
 *
 * Nothing is kept alive: a note is a borrowed address, and goes when its task is finalised. A task
 * whose class has a __del__ of its own is not noted, since that stands before ours, nor one that
 * was finalised and came back. Whether it was the program's own code that called is decided by the
 * reader, from the stack. Timers, and the task itself, are not noted at all.
 *
 * All of it needs the GIL, which guards it.
 */
#include <errno.h>
#include <string.h>

#include "fork.h"
#include "pyframe/task.h"
#include "py/callback.h"
#include "py/cancel.h"
#include "py/current.h"
#include "py/dropped.h"
#include "py/error.h"
#include "py/frame.h"
#include "py/gil.h"
#include "py/method.h"
#include "py/tell.h"
#include "py/twin.h"
#include "py/unfinished.h"

#define CANCEL_MAX	  16384
#define CANCEL_N_BUCKETS  1024
#define CANCEL_MAX_CHAIN  24
#define CANCEL_MAX_ORIGIN 16
/* Of more, the line of the innermost await is told. */
#define CANCEL_N_FLIGHTS 64
/* A cancellation is delivered in the turn after the one it was asked for in, at the latest. */
#define CANCEL_N_TURNS 2

struct cancellation {
	PyObject *task;	 /* borrowed; NULL: the note is free */
	PyObject *outer; /* the task that handed it on; only compared */
	uint16_t next;	 /* in its bucket: index + 1 */
	uint16_t place;	 /* in the order */
	bool is_delivered;
	bool is_told;
	uint64_t turn_seq; /* of the loop it was asked for in */
	uint64_t since;	   /* ticks: asked for, then delivered */
	struct record_stack chain, origin;
	uint64_t codes[CANCEL_MAX_CHAIN]; /* of the chain */
	struct record_frame chain_frames[CANCEL_MAX_CHAIN];
	struct record_frame origin_frames[CANCEL_MAX_ORIGIN];
};

_hidden_ uint32_t cancel_n_pending;

static struct cancellation notes[CANCEL_MAX];
static uint16_t buckets[CANCEL_N_BUCKETS];
/*
 * The notes in use, then the free ones, both by index. It is filled in as notes are used for the
 * first time, so that memory is touched for as many as were in use at once.
 */
static uint16_t order[CANCEL_MAX];
static uint32_t n_touched;
static uint32_t next_look;
/* The task whose cancel() runs now on this thread, borrowed from the caller. */
static __thread PyObject *delegating __attribute__((tls_model("initial-exec")));

/*
 * Errors that were thrown into tasks in Python: the frame of Future.result() holds the one that it
 * raises, so that it does not die where it is caught, but when it is collected. Addresses alone.
 */
static struct flight {
	PyObject *task, *error; /* NULL: free */
} flights[CANCEL_N_FLIGHTS];
static uint32_t n_flights, next_flight;

static method_any_fn task_cancel;
static void (*error_finalize)(PyObject *error);
static bool is_installed;
static bool has_uncancel;

static uint16_t *bucket_of(PyObject *task)
{
	return &buckets[((uintptr_t)task >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 54];
}

static struct cancellation *note_find(PyObject *task)
{
	for (uint16_t i = *bucket_of(task); i; i = notes[i - 1].next)
		if (notes[i - 1].task == task)
			return &notes[i - 1];
	return NULL;
}

static struct cancellation *note_new(PyObject *task)
{
	uint32_t place = cancel_n_pending;
	uint16_t i;

	if (place == CANCEL_MAX)
		return NULL;
	if (place == n_touched) {
		order[place] = (uint16_t)place;
		n_touched++;
	}
	cancel_n_pending++;
	callback_work++;
	i = order[place];
	notes[i] = (struct cancellation){.task = task, .next = *bucket_of(task), .place = place};
	*bucket_of(task) = (uint16_t)(i + 1);
	return &notes[i];
}

/* The last in the order takes its place. */
static void note_free(struct cancellation *note)
{
	uint16_t *link = bucket_of(note->task), i = (uint16_t)(note - notes);
	uint16_t last = order[--cancel_n_pending];

	while (*link != i + 1)
		link = &notes[*link - 1].next;
	*link = note->next;
	order[note->place] = last;
	notes[last].place = note->place;
	order[cancel_n_pending] = i;
	note->task = NULL;
	callback_work--;
}

/* The cancellation never came to those that had handed it on. */
static void note_drop_outer(const struct cancellation *note)
{
	struct cancellation *outer = note->outer ? note_find(note->outer) : NULL;

	if (!outer)
		return;
	note_drop_outer(outer);
	note_free(outer);
}

/* Where a task's coroutine waits, innermost first. Return: false when it cannot catch anything. */
static bool chain_take(PyObject *task, struct stack_buf *ret_stack, struct pyframe_stack *ret_found)
{
	PyObject *coroutine = py_get(task, "_coro");
	struct task_chain chain;

	if (!coroutine)
		return false;
	task_follow(&watch.pyframe, &watch.self, (uint64_t)(uintptr_t)coroutine, &chain);
	py.Py_DecRef(coroutine);
	if (chain.end == TASK_END_RUNS || chain.end == TASK_END_OVER || !chain.n_links ||
	    (chain.end == TASK_END_NEW && chain.n_links == 1))
		return false;
	tell_chain(&chain, ret_found, ret_stack);
	return ret_stack->stack.n_frames > 0;
}

static struct record_stack frames_keep(const struct stack_buf *stack, struct record_frame *frames,
				       uint32_t max)
{
	struct record_stack kept = stack->stack;

	if (kept.n_frames > max) {
		kept.n_frames = max;
		kept.end = PYFRAME_END_DEPTH;
	}
	memcpy(frames, stack->frames, kept.n_frames * sizeof(*frames));
	return kept;
}

static void note_fill(struct cancellation *note, const struct stack_buf *chain,
		      const struct pyframe_stack *found, uint64_t tstate_raddr)
{
	struct stack_buf origin;

	note->chain = frames_keep(chain, note->chain_frames, CANCEL_MAX_CHAIN);
	for (uint32_t i = 0; i < note->chain.n_frames; i++)
		note->codes[i] = found->frames[i].code_raddr;
	emit_own_stack(tstate_raddr, &origin);
	note->origin = frames_keep(&origin, note->origin_frames, CANCEL_MAX_ORIGIN);
	note->is_delivered = note->is_told = false;
	note->turn_seq = thread_loop ? atomic_load_explicit(&thread_loop->slot->turn_seq,
							    memory_order_relaxed)
				     : 0;
	note->since = clock_ticks(watch.clock_kind);
}

static void note_tell(const struct cancellation *note, enum pitfall pitfall,
		      const struct stack_buf *stack, uint64_t span)
{
	struct pitfall_facts facts = {
		.pitfall = pitfall,
		.start = span ? note->since : 0,
		.span = span,
		.stack = stack,
	};
	struct stack_buf origin;

	if (!fork_watch_open())
		return;
	origin.stack = note->origin;
	memcpy(origin.frames, note->origin_frames,
	       note->origin.n_frames * sizeof(origin.frames[0]));
	facts.origin = &origin;
	/* Only now: every task has a name of its own, and the arena has room for so many. */
	tell_task(note->task, &facts);
	facts.name_str = facts.coro_str;
	emit_pitfall(&facts);
}

static bool state_is(PyObject *task, const char *state)
{
	PyObject *found = py_get(task, "_state");
	bool is = found && !py.PyUnicode_CompareWithASCIIString(found, state);

	if (found)
		py.Py_DecRef(found);
	return is;
}

/* More cancelled than uncancelled; where there is no uncancel(), always. */
static bool is_cancelling(PyObject *task)
{
	bool is_twin = twin_is_task(task);
	PyObject *n = is_twin	     ? py_get(task, "_num_cancels_requested")
		      : has_uncancel ? method_call(task, "cancelling")
				     : NULL;
	bool is = n ? py.PyLong_AsLong(n) > 0 : is_twin || !has_uncancel;

	if (n)
		py.Py_DecRef(n);
	return is;
}

static _cold_ void note_swallowed(const struct cancellation *note)
{
	struct stack_buf stack;

	stack.stack = note->chain;
	memcpy(stack.frames, note->chain_frames, note->chain.n_frames * sizeof(stack.frames[0]));
	note_tell(note, PITFALL_SWALLOWED_CANCELLATION, &stack, 0);
}

/* Whether one that it waited for has not come to an end, or to another than the cancellation. */
static bool note_is_held_up(const struct cancellation *note)
{
	for (uint32_t i = 0; i < cancel_n_pending; i++) {
		const struct cancellation *inner = &notes[order[i]];

		if (inner->outer == note->task && !state_is(inner->task, "CANCELLED"))
			return true;
	}
	return false;
}

/* The chain from the frame on that caught it. */
static void note_caught(struct cancellation *note, uint64_t code_raddr)
{
	uint32_t i = 0;

	while (i < note->chain.n_frames && note->codes[i] != code_raddr)
		i++;
	if (!i || i == note->chain.n_frames)
		return;
	note->chain.n_frames -= i;
	memmove(note->codes, note->codes + i, note->chain.n_frames * sizeof(note->codes[0]));
	memmove(note->chain_frames, note->chain_frames + i,
		note->chain.n_frames * sizeof(note->chain_frames[0]));
}

/* An error that was thrown into a task in Python: it is there still, or dies now. */
static void flight_land(struct flight *flight, struct cancellation *note)
{
	uint64_t code_raddr = note ? error_outermost(flight->error) : 0;

	if (code_raddr)
		note_caught(note, code_raddr);
	*flight = (struct flight){0};
	n_flights--;
}

static void flights_land(struct cancellation *note)
{
	for (uint32_t i = 0; n_flights && i < CANCEL_N_FLIGHTS; i++)
		if (flights[i].task == note->task)
			flight_land(&flights[i], note);
}

/* A cancellation is thrown into a task in Python. Needs the GIL. */
_hidden_ void cancel_thrown(PyObject *task, PyObject *error)
{
	struct flight *flight = &flights[next_flight++ % CANCEL_N_FLIGHTS];

	if (!note_find(task))
		return;
	n_flights += !flight->error;
	*flight = (struct flight){.task = task, .error = error};
}

/* The task has ended, or will not any more. */
static void note_judge(struct cancellation *note)
{
	bool is_finished = state_is(note->task, "FINISHED");

	flights_land(note);
	if (is_finished && !note->is_told && !note_is_held_up(note) &&
	    py_is(note->task, "_exception", py._Py_NoneStruct) && is_cancelling(note->task))
		note_swallowed(note);
	if (is_finished)
		note_drop_outer(note);
	note_free(note);
}

static _cold_ void note_ignored(struct cancellation *note, uint64_t span)
{
	struct pyframe_stack found;
	struct stack_buf chain;

	note->is_told = true;
	if (chain_take(note->task, &chain, &found) && is_cancelling(note->task))
		note_tell(note, PITFALL_IGNORED_CANCELLATION, &chain, span);
}

static void note_look(struct cancellation *note, const struct loop *loop)
{
	uint64_t now = clock_ticks(watch.clock_kind);
	uint64_t turn_seq = atomic_load_explicit(&loop->slot->turn_seq, memory_order_relaxed);

	if (!state_is(note->task, "PENDING")) {
		note_judge(note);
	} else if (!note->is_delivered) {
		note->is_delivered = turn_seq - note->turn_seq >= CANCEL_N_TURNS;
		note->since = now;
	} else if (!note->is_told && now - note->since >= watch.limits.cancel_grace &&
		   !note_is_held_up(note)) {
		note_ignored(note, now - note->since);
	}
}

/* A callback has ended, and there are cancellations that have not. One of them is looked at. */
_hidden_ _cold_ void cancel_edge(struct loop *loop)
{
	PyObject *type, *value, *traceback;
	int saved_errno = errno;

	py.PyErr_Fetch(&type, &value, &traceback);
	next_look = (next_look + 1) % cancel_n_pending;
	note_look(&notes[order[next_look]], loop);
	py.PyErr_Restore(type, value, traceback);
	errno = saved_errno;
}

/* The loop of this thread stops: for a while or for ever nobody will look again. */
_hidden_ void cancel_loop_stops(void)
{
	uint32_t n = cancel_n_pending;

	for (uint32_t i = 0; thread_loop && i < n && cancel_n_pending; i++) {
		next_look = (next_look + 1) % cancel_n_pending;
		note_look(&notes[order[next_look]], thread_loop);
	}
}

/* In a fork child: these are the parent's tasks, and its names. */
_hidden_ void cancel_forget(void)
{
	memset(buckets, 0, sizeof(buckets));
	for (uint32_t i = 0; i < n_touched; i++)
		order[i] = (uint16_t)i;
	callback_work -= cancel_n_pending;
	cancel_n_pending = 0;
}

/*
 * The C module of this interpreter: of its table, for another interpreter's may have ended. NULL
 * where a program has taken it out, and while the interpreter ends, which frees them.
 */
static PyObject *asyncio_here(void)
{
	PyObject *module;

	if (!is_installed || gil_is_ending())
		return NULL;
	module = py_module("_asyncio");
	return module != py._Py_NoneStruct ? module : NULL;
}

/* It dies where it was caught, while the task that caught it runs, or nobody is to blame. */
static _cold_ void error_dies(PyObject *error)
{
	bool has_loop;
	PyObject *task = current_task(asyncio_here(), &has_loop);
	struct cancellation *note = task ? note_find(task) : NULL;
	uint64_t code_raddr = note ? error_outermost(error) : 0;

	for (uint32_t i = 0; n_flights && i < CANCEL_N_FLIGHTS; i++)
		if (flights[i].error == error)
			flight_land(&flights[i], note_find(flights[i].task));
	if (code_raddr)
		note_caught(note, code_raddr);
}

static void on_error_finalize(PyObject *error)
{
	PyObject *type, *value, *traceback;
	int saved_errno = errno;

	if (unlikely(cancel_n_pending || n_flights)) {
		py.PyErr_Fetch(&type, &value, &traceback);
		error_dies(error);
		py.PyErr_Restore(type, value, traceback);
		errno = saved_errno;
	}
	if (error_finalize)
		error_finalize(error);
}

/*
 * The class of the exception is there by the time that a task is cancelled; asyncio.exceptions is
 * imported after us.
 */
static void patch_error(void)
{
	PyObject *class = error_cancelled_class();

	if (!class || finalizer_get(class) == (void *)on_error_finalize)
		return;
	*(void **)&error_finalize = finalizer_get(class);
	finalizer_replace_copy(class, (void *)error_finalize, (void *)on_error_finalize);
}

/* A task is finalised, whatever has become of it. Needs the GIL. */
_hidden_ _cold_ void cancel_task_ends(PyObject *task)
{
	struct cancellation *note = note_find(task);
	PyObject *type, *value, *traceback;
	int saved_errno = errno;

	if (!note)
		return;
	py.PyErr_Fetch(&type, &value, &traceback);
	note_judge(note);
	py.PyErr_Restore(type, value, traceback);
	errno = saved_errno;
}

/* Called by a callback of the loop, and not by a task: a timer, perhaps. */
static bool is_wanted(PyObject *task)
{
	bool has_loop;
	PyObject *caller;

	/* Also not of another interpreter, whose classes are its own: it may not be asked here. */
	if (!dropped_will_see(task))
		return false;
	caller = current_task(asyncio_here(), &has_loop);
	return caller != task && (caller || !has_loop);
}

/* outer: the task whose cancel() has called this one's; only compared. Needs the GIL. */
_hidden_ _cold_ void cancel_accepted(PyObject *task, PyObject *outer)
{
	struct cancellation *note;
	struct pyframe_stack found;
	struct stack_buf chain;
	uint64_t tstate_raddr = fork_watch_open() ? frame_tstate() : 0;

	if (!tstate_raddr || !is_wanted(task) || !chain_take(task, &chain, &found))
		return;
	note = note_find(task);
	if (!note)
		note = note_new(task);
	if (!note) {
		watch_lost(LOSS_HOOK_REFUSED);
		return;
	}
	patch_error();
	note->outer = outer;
	note_fill(note, &chain, &found, tstate_raddr);
}

static PyObject *on_task_cancel(PyObject *self, void *a, void *b, void *c, void *d)
{
	PyObject *outer = delegating, *result;
	int saved_errno;

	if (unlikely(!thread_loop))
		unfinished_look(self);
	delegating = self;
	result = task_cancel(self, a, b, c, d);
	delegating = outer;
	if (result != py._Py_TrueStruct)
		return result;
	saved_errno = errno;
	cancel_accepted(self, outer);
	errno = saved_errno;
	return result;
}

/* Behind dropped_install(). Needs the GIL, no exception set. */
_hidden_ void cancel_install(PyObject *asyncio_module)
{
	PyObject *class = py_get_class(asyncio_module, "Task");
	struct method_def *method = class ? method_find(class, "cancel") : NULL;

	if (method && dropped_sees(class) &&
	    py_patch_method(method, (void *)on_task_cancel, (void **)&task_cancel)) {
		is_installed = true;
		has_uncancel = method_find(class, "uncancel");
		watch_detects(DETECTOR_CANCELLATION);
	} else {
		watch_lost(LOSS_HOOK_REFUSED);
	}
	if (class)
		py.Py_DecRef(class);
}
