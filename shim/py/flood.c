/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flood: thousands of tasks made at one line within one turn of a loop
 *
 * The initialiser of asyncio's Task (tp_init) counts what a turn makes. Up to an eighth of the
 * limit that is all; then each new task is asked for its line, the innermost that is not asyncio's,
 * and those before count as made there too as long as there is no second line. So a program that
 * makes few tasks in a turn pays for a counter.
 *
 * How many they were is known when the turn is over: at the next task that is made or dropped, or
 * when the loop stops. All of it is guarded by the GIL; one turn is counted at a time, so of two
 * loops that are flooded at once in two threads neither may be told.
 */
#include <errno.h>
#include <string.h>

#include "emit.h"
#include "fork.h"
#include "intern.h"
#include "py/flood.h"
#include "py/frame.h"
#include "py/method.h"
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

/* A turn has gone past the limit and is not told yet. */
_hidden_ bool flood_is_open;

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
	if (fork_watch_open())
		emit_pitfall(&facts);
}

static bool is_asyncios(const struct record_frame *frame)
{
	size_t length;
	const char *file = intern_text(frame->file_str, &length);

	return memmem(file, length, "/asyncio/", strlen("/asyncio/"));
}

/* The innermost frame that is not asyncio's: of uvloop there are none. */
static const struct record_frame *line_of(uint64_t tstate_raddr, struct stack_buf *stack)
{
	struct pyframe_stack found;

	if (!tstate_raddr || pyframe_walk(&watch.pyframe, &watch.self, tstate_raddr, &found))
		return NULL;
	found.n_frames = MIN(found.n_frames, FLOOD_MAX_FRAMES);
	emit_stack_names(&watch.self, &found, stack);
	for (uint32_t i = 0; i < stack->stack.n_frames; i++)
		if (!is_asyncios(&stack->frames[i]))
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

static _cold_ void flood_count_site(void)
{
	uint64_t tstate_raddr = fork_watch_open() ? frame_tstate() : 0;
	const struct record_frame *frame;
	struct flood_site *site;
	struct stack_buf stack;

	frame = line_of(tstate_raddr, &stack);
	site = frame ? site_find(frame) : NULL;
	if (!site)
		return;
	site->n++;
	if (flood.largest || site_count(site) < watch.options.task_flood)
		return;
	flood.largest = site;
	emit_own_stack(tstate_raddr, &flood.stack);
	flood_is_open = true;
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

static void made(const struct loop *loop)
{
	PyObject *type, *value, *traceback;
	int saved_errno;

	if (unlikely(flood.loop != loop || flood.turn_seq != turn_of(loop)))
		turn_begin(loop);
	flood.n++;
	if (likely(flood.n < watch.options.task_flood / 8)) {
		flood.n_unknown = flood.n;
		return;
	}
	saved_errno = errno;
	py.PyErr_Fetch(&type, &value, &traceback);
	flood_count_site();
	py.PyErr_Restore(type, value, traceback);
	errno = saved_errno;
}

static int on_task_init(PyObject *self, PyObject *args, PyObject *names)
{
	int r = task_init_before(self, args, names);

	if (likely(!r && thread_loop))
		made(thread_loop);
	if (unlikely(watch.options.is_strict && !r))
		unreferenced_made(self);
	return r;
}

/* A task is dropped while a flood is open: perhaps its turn is over. Needs the GIL. */
_hidden_ _cold_ void flood_look(void)
{
	int saved_errno = errno;

	if (thread_loop == flood.loop && flood.turn_seq != turn_of(flood.loop))
		flood_tell();
	errno = saved_errno;
}

/* Needs the GIL. */
_hidden_ void flood_loop_stops(void)
{
	if (flood_is_open && thread_loop == flood.loop)
		flood_tell();
	/* Another loop may be given this one's place, and count its turns from anew. */
	flood.loop = NULL;
}

/* Needs the GIL, no exception set. */
_hidden_ void flood_install(PyObject *asyncio_module)
{
	PyObject *class = py_get(asyncio_module, "Task");

	if (class &&
	    slot_replace(class, "__init__", (void *)on_task_init, (void **)&task_init_before))
		watch_detects(DETECTOR_TASKS);
	else
		watch_lost(LOSS_HOOK_REFUSED);
	if (class)
		py.Py_DecRef(class);
}
