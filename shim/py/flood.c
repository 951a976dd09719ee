/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flood: thousands of tasks made at one line, within one turn of a loop or living at once
 *
 * The initialiser of asyncio's Task (tp_init) counts what a turn makes. Up to an eighth of the
 * limit that is all; then each new task is asked for its line, the innermost that is not asyncio's,
 * and those before count as made there too as long as there is no second line. So a program that
 * makes few tasks in a turn pays for a counter.
 *
 * How many they were is known when the turn is over: at the next task that is made or dropped, or
 * when the loop stops. All of it is guarded by the GIL; one turn is counted at a time, so of two
 * loops that are flooded at once in two threads neither may be told.
 *
 * Those that are made little by little and live at once are counted by crowd.c, once there are many
 * tasks at all. A task that has ended before its maker has it (an eager one, 3.12) is none of them.
 */
#include <errno.h>
#include <string.h>

#include "emit.h"
#include "fork.h"
#include "py/crowd.h"
#include "py/dropped.h"
#include "py/flood.h"
#include "py/frame.h"
#include "py/future.h"
#include "py/library.h"
#include "py/method.h"
#include "py/refusal.h"
#include "py/unreferenced.h"

#define FLOOD_N_SITES 4
/* gather() > ensure_future() > create_task(), a task factory, and the line itself. */
#define FLOOD_MAX_FRAMES 12

typedef int (*init_fn)(PyObject *self, PyObject *args, PyObject *names);

struct flood_site {
	struct record_frame frame; /* the line */
	uint32_t n;
};

struct flood {
	const struct loop *loop;
	uint64_t turn_seq;
	uint32_t n;	    /* tasks made in this turn */
	uint32_t n_unknown; /* of them without a line */
	uint32_t n_sites;
	struct flood_site sites[FLOOD_N_SITES];
	struct flood_site *largest; /* past the limit; NULL: none is */
	struct stack_buf stack;	    /* of it */
};

static init_fn task_init_before;
static struct flood flood;

/* As many frames of this thread are not of its loop's callbacks: the loop was run by them. */
static __thread uint32_t n_outer __attribute__((tls_model("initial-exec")));

/* A turn has gone past the limit and is not told yet. */
_hidden_ bool flood_is_open;

/* As long as there are no more, they are only counted. */
static uint32_t few(void)
{
	return watch.options.task_flood / 8;
}

static uint64_t turn_of(const struct loop *loop)
{
	return atomic_load_explicit(&loop->slot->turn_seq, memory_order_relaxed);
}

static uint32_t site_count(const struct flood_site *site)
{
	return site->n + (flood.n_sites == 1 ? flood.n_unknown : 0);
}

static void flood_tell(void)
{
	struct pitfall_facts facts = {
		.pitfall = PITFALL_TASK_FLOOD,
		.n = site_count(flood.largest),
		.name_str = flood.largest->frame.function_str,
		.stack = &flood.stack,
	};

	flood_is_open = false;
	crowd_was_told(&flood.largest->frame, facts.n, &flood.stack);
	if (fork_watch_open())
		emit_pitfall(&facts);
}

/* The frames of the callback that runs. */
static bool callback_walk(uint64_t tstate_raddr, struct pyframe_stack *ret_found)
{
	if (!tstate_raddr || pyframe_walk(&watch.pyframe, &watch.self, tstate_raddr, ret_found))
		return false;
	if (ret_found->end == PYFRAME_END_COMPLETE && ret_found->n_frames > n_outer)
		ret_found->n_frames -= n_outer;
	return true;
}

/*
 * The innermost frame that is not asyncio's: of uvloop there are none. NULL: a framework has made
 * the task of its own accord, as asyncio's streams do for each connection.
 */
static const struct record_frame *line_of(uint64_t tstate_raddr, struct stack_buf *stack)
{
	struct pyframe_stack found;

	if (!callback_walk(tstate_raddr, &found))
		return NULL;
	found.n_frames = MIN(found.n_frames, FLOOD_MAX_FRAMES);
	emit_stack_names(&watch.self, &found, stack);
	for (uint32_t i = 0; i < stack->stack.n_frames; i++)
		if (!library_is_asyncio(stack->frames[i].file_str))
			return &stack->frames[i];
	return NULL;
}

static struct flood_site *site_find(const struct record_frame *frame)
{
	for (uint32_t i = 0; i < flood.n_sites; i++)
		if (flood.sites[i].frame.file_str == frame->file_str &&
		    flood.sites[i].frame.line == frame->line)
			return &flood.sites[i];
	if (flood.n_sites == FLOOD_N_SITES)
		return NULL;
	flood.sites[flood.n_sites] = (struct flood_site){.frame = *frame};
	return &flood.sites[flood.n_sites++];
}

/* One more was made there in this turn. */
static void turn_count(const struct record_frame *line, uint64_t tstate_raddr)
{
	struct flood_site *site = site_find(line);

	if (!site)
		return;
	site->n++;
	if (flood.largest || site_count(site) < watch.options.task_flood || crowd_is_told(line))
		return;
	flood.largest = site;
	emit_own_stack(tstate_raddr, &flood.stack);
	flood_is_open = true;
}

static void crowd_count(PyObject *task, const struct record_frame *frame, uint64_t tstate_raddr)
{
	struct crowd_line *line = dropped_will_see(task) ? crowd_made(task, frame) : NULL;
	struct pyframe_stack found;

	if (!line)
		return;
	/* Of the callback alone: whether it is a library's own is decided by the reader. */
	if (!crowd_stack(line)->stack.n_frames && callback_walk(tstate_raddr, &found))
		emit_stack_names(&watch.self, &found, crowd_stack(line));
	if (crowd_stack(line)->stack.n_frames)
		crowd_tell(line);
}

static _cold_ void flood_count(PyObject *task)
{
	uint64_t tstate_raddr = fork_watch_open() ? frame_tstate() : 0;
	const struct record_frame *line;
	struct stack_buf stack;

	if (!future_task_is_pending(task))
		return;
	line = line_of(tstate_raddr, &stack);
	if (!line)
		return;
	if (crowd_n_alive >= few())
		crowd_count(task, line, tstate_raddr);
	if (flood.n >= few())
		turn_count(line, tstate_raddr);
}

static _cold_ void turn_begin(const struct loop *loop)
{
	if (flood_is_open)
		flood_tell();
	flood.loop = loop;
	flood.turn_seq = turn_of(loop);
	flood.n = flood.n_unknown = flood.n_sites = 0;
	flood.largest = NULL;
}

static void made(const struct loop *loop, PyObject *task)
{
	PyObject *type, *value, *traceback;
	int saved_errno;

	if (unlikely(flood.loop != loop || flood.turn_seq != turn_of(loop)))
		turn_begin(loop);
	flood.n++;
	if (likely(flood.n < few())) {
		flood.n_unknown = flood.n;
		if (likely(crowd_n_alive < few()))
			return;
	}
	saved_errno = errno;
	py.PyErr_Fetch(&type, &value, &traceback);
	flood_count(task);
	py.PyErr_Restore(type, value, traceback);
	errno = saved_errno;
}

/* A task has been initialised. */
_hidden_ void flood_made(PyObject *task)
{
	if (likely(thread_loop))
		made(thread_loop, task);
	if (unlikely(watch.options.is_strict))
		unreferenced_made(task);
}

static int on_task_init(PyObject *self, PyObject *args, PyObject *names)
{
	int r = task_init_before(self, args, names);

	refusal_newest_task = self;
	if (likely(!r)) {
		crowd_n_alive += dropped_sees(py_type(self));
		flood_made(self);
	}
	return r;
}

/* A task is dropped while a flood is open: perhaps its turn is over. Needs the GIL. */
_hidden_ _cold_ void flood_look(void)
{
	int saved_errno = errno;

	if (thread_loop && thread_loop == flood.loop && flood.turn_seq != turn_of(flood.loop))
		flood_tell();
	errno = saved_errno;
}

/* Called by what runs the loop, which is the innermost frame. Needs the GIL. */
_hidden_ void flood_loop_starts(uint64_t tstate_raddr)
{
	struct pyframe_stack found;

	n_outer = 0;
	if (tstate_raddr && !pyframe_walk(&watch.pyframe, &watch.self, tstate_raddr, &found) &&
	    found.end == PYFRAME_END_COMPLETE)
		n_outer = found.n_frames;
}

/* Needs the GIL. */
_hidden_ void flood_loop_stops(void)
{
	n_outer = 0;
	if (thread_loop && thread_loop == flood.loop) {
		if (flood_is_open)
			flood_tell();
		/* Another loop may be given this one's place, and count its turns from anew. */
		flood.loop = NULL;
	}
	crowd_loop_stops();
}

/* In a fork child: the names are the parent's. */
_hidden_ void flood_forget(void)
{
	flood_is_open = false;
	flood.loop = NULL;
	crowd_forget();
}

/* Needs the GIL, no exception set. */
_hidden_ void flood_install(PyObject *asyncio_module)
{
	PyObject *class = py_get_class(asyncio_module, "Task");

	if (class &&
	    slot_replace(class, "__init__", (void *)on_task_init, (void **)&task_init_before))
		watch_detects(DETECTOR_TASKS);
	else
		watch_lost(LOSS_HOOK_REFUSED);
	if (class)
		py.Py_DecRef(class);
}
