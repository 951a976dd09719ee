/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generator: async generators that are left in the middle and closed by nobody; in strict mode
 *
 * `async for` does not close what it leaves by a break. Such a generator stays suspended at a
 * yield, with all that its body holds, and is closed whenever the loop comes to what its finaliser
 * asked for, or never. So the finaliser (tp_finalize) is stood behind: one that has run to its end,
 * was closed, or has not begun has nothing open. One that awaits within is part of a task that was
 * dropped, and of another pitfall. What a program holds on to until its loop ends is closed by
 * shutdown_asyncgens(), or by trio at the end of a run: then it is the method aclose() that is
 * called from there.
 *
 * The line to mend is the one that iterates: it is on the stack when the first item is asked for
 * (am_anext, which `async for` and anext() call, and __anext__() wraps), and kept by the address of
 * the generator until that is finalised.
 *
 * The type cannot be derived from. All of it needs the GIL, which guards it.
 */
#include <errno.h>
#include <string.h>

#include "emit.h"
#include "fork.h"
#include "intern.h"
#include "py/callee.h"
#include "py/frame.h"
#include "py/generator.h"
#include "py/gil.h"
#include "py/method.h"
#include "py/resource.h"
#include "py/tell.h"

#define STARTED_N	   1024 /* as the hash has; of more at once some have no line */
#define STARTED_N_PROBES   16
#define STARTED_MAX_FRAMES 8

typedef PyObject *(*next_fn)(PyObject *generator);
typedef void (*finalize_fn)(PyObject *self);

struct started {
	PyObject *generator; /* its address, no reference */
	struct record_stack stack;
	struct record_frame frames[STARTED_MAX_FRAMES];
};

static next_fn generator_next;
static finalize_fn generator_finalize;
static method_any_fn generator_close;
static struct started started[STARTED_N];
/* The one whose finaliser runs now on this thread: the loop's part in it asks for aclose(), too. */
static __thread PyObject *finalizing __attribute__((tls_model("initial-exec")));

/* NULL: there is none; of NULL in its neighbourhood, one that is free. */
static struct started *started_find(const PyObject *near, const PyObject *generator)
{
	uint64_t first = ((uintptr_t)near >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 54;

	for (uint64_t i = 0; i < STARTED_N_PROBES; i++)
		if (started[(first + i) % STARTED_N].generator == generator)
			return &started[(first + i) % STARTED_N];
	return NULL;
}

/* Where there is no room the generator has no line. */
static struct started *started_place(PyObject *generator)
{
	struct started *place = started_find(generator, generator);

	return place ? place : started_find(generator, NULL);
}

static void started_free(PyObject *generator)
{
	struct started *place = started_find(generator, generator);

	if (place)
		place->generator = NULL;
}

/* Where it stands; of a program that can be read. */
static enum task_end generator_end(PyObject *generator, bool *ret_is_at_yield)
{
	struct task_chain chain;

	task_follow(&watch.pyframe, &watch.self, (uint64_t)(uintptr_t)generator, &chain);
	*ret_is_at_yield =
		chain.end == TASK_END_WAITS && chain.n_links == 1 && !chain.awaited_raddr;
	return chain.n_links == 1 ? chain.end : TASK_END_WAITS;
}

static bool is_new(PyObject *generator)
{
	const struct pyframe_layout *layout = &watch.pyframe.layout;
	bool unused;

	if (layout->gen_state)
		return *((int8_t *)generator + layout->gen_state) == layout->gen_created;
	return generator_end(generator, &unused) == TASK_END_NEW;
}

static bool is_at_yield(PyObject *generator)
{
	bool is = false;

	generator_end(generator, &is);
	return is;
}

/* Whether it is worth asking: nearly all that end have run to their end. */
static bool is_suspended(PyObject *generator)
{
	const struct pyframe_layout *layout = &watch.pyframe.layout;
	int8_t state;

	if (!layout->gen_state)
		return *(void **)((char *)generator + layout->header_bytes);
	state = *((int8_t *)generator + layout->gen_state);
	return state == layout->gen_suspended || state == layout->gen_awaiting;
}

static void started_keep(PyObject *generator, uint64_t tstate_raddr)
{
	struct started *place = started_place(generator);
	struct pyframe_stack found;
	struct stack_buf stack;

	if (!place || pyframe_walk(&watch.pyframe, &watch.self, tstate_raddr, &found))
		return;
	if (found.n_frames > STARTED_MAX_FRAMES) {
		found.n_frames = STARTED_MAX_FRAMES;
		found.end = PYFRAME_END_DEPTH;
	}
	emit_stack_names(&watch.self, &found, &stack);
	place->generator = generator;
	place->stack = stack.stack;
	memcpy(place->frames, stack.frames, stack.stack.n_frames * sizeof(stack.frames[0]));
}

static _cold_ void starts(PyObject *generator)
{
	PyObject *type, *value, *traceback;
	int saved_errno = errno;
	uint64_t tstate_raddr;

	started_free(generator);
	py.PyErr_Fetch(&type, &value, &traceback);
	tstate_raddr = fork_watch_open() ? frame_tstate() : 0;
	if (tstate_raddr)
		started_keep(generator, tstate_raddr);
	py.PyErr_Restore(type, value, traceback);
	errno = saved_errno;
}

static PyObject *on_next(PyObject *generator)
{
	if (unlikely(is_new(generator)))
		starts(generator);
	return generator_next(generator);
}

static void left_open(PyObject *generator, const struct stack_buf *stack)
{
	struct pitfall_facts facts = {.pitfall = PITFALL_UNCLOSED_RESOURCE, .stack = stack};
	struct started *place = started_find(generator, generator);
	PyObject *name = py_get(generator, "__qualname__");
	struct stack_buf origin;

	facts.name_str = tell_text(name);
	tell_unref(name);
	callee_of_coroutine(generator, &facts.code);
	if (place) {
		memset(&origin, 0, offsetof(struct stack_buf, frames));
		origin.stack = place->stack;
		memcpy(origin.frames, place->frames,
		       origin.stack.n_frames * sizeof(origin.frames[0]));
		facts.origin = &origin;
	}
	emit_pitfall(&facts);
}

static void dropped(PyObject *generator)
{
	uint64_t tstate_raddr = fork_watch_open() ? frame_tstate() : 0;
	struct stack_buf stack;
	bool has_line = !resource_is_collecting(generator);

	if (!tstate_raddr || !is_at_yield(generator))
		return;
	if (has_line)
		emit_own_stack(tstate_raddr, &stack);
	left_open(generator, has_line ? &stack : NULL);
}

static _cold_ void dropped_aside(PyObject *generator)
{
	PyObject *type, *value, *traceback;
	int saved_errno = errno;

	py.PyErr_Fetch(&type, &value, &traceback);
	dropped(generator);
	py.PyErr_Restore(type, value, traceback);
	errno = saved_errno;
}

static _cold_ void finalize_open(PyObject *generator)
{
	PyObject *outer = finalizing;

	dropped_aside(generator);
	finalizing = generator;
	generator_finalize(generator);
	finalizing = outer;
}

static void on_finalize(PyObject *generator)
{
	if (unlikely(is_suspended(generator)) && watch_is_open() && !gil_is_ending())
		finalize_open(generator);
	else
		generator_finalize(generator);
	started_free(generator);
}

static bool text_ends(uint32_t str, const char *end)
{
	size_t length, end_length = strlen(end);
	const char *text = intern_text(str, &length);

	return length >= end_length && !memcmp(text + length - end_length, end, end_length);
}

/*
 * Whether a loop closes what is left: in asyncio's own code, in trio's, or from uvloop's, which is
 * no frame. Trio comes to those that were dropped as well, and later.
 */
static bool is_by_shutdown(const struct stack_buf *stack)
{
	uint32_t file_str = stack->stack.n_frames ? stack->frames[0].file_str : ARENA_NONE;

	if (file_str == ARENA_NONE)
		return false;
	if (text_ends(file_str, "/asyncio/base_events.py") ||
	    text_ends(file_str, "/trio/_core/_asyncgens.py"))
		return true;
	return thread_loop && thread_loop->framework == FRAMEWORK_UVLOOP &&
	       (text_ends(file_str, "/asyncio/runners.py") ||
		text_ends(file_str, "/uvloop/__init__.py"));
}

static _cold_ void closed(PyObject *generator)
{
	PyObject *type, *value, *traceback;
	uint64_t tstate_raddr;
	struct stack_buf stack;
	int saved_errno = errno;

	py.PyErr_Fetch(&type, &value, &traceback);
	tstate_raddr = fork_watch_open() ? frame_tstate() : 0;
	if (tstate_raddr && is_at_yield(generator)) {
		emit_own_stack(tstate_raddr, &stack);
		if (is_by_shutdown(&stack))
			left_open(generator, NULL);
	}
	py.PyErr_Restore(type, value, traceback);
	errno = saved_errno;
}

static PyObject *on_close(PyObject *generator, void *a, void *b, void *c, void *d)
{
	if (generator != finalizing && !py_is_finalized(generator) && watch_is_open() &&
	    !gil_is_ending())
		closed(generator);
	return generator_close(generator, a, b, c, d);
}

static bool install(PyObject *class)
{
	struct method_def *close = method_find(class, "aclose");

	return close &&
	       slot_replace(class, "__del__", (void *)on_finalize, (void **)&generator_finalize) &&
	       slot_replace_next(class, (void *)on_next, (void **)&generator_next) &&
	       py_patch_method(close, (void *)on_close, (void **)&generator_close);
}

/* In a fork child: the names are the parent's. */
_hidden_ void generator_forget(void)
{
	for (unsigned int i = 0; generator_next && i < STARTED_N; i++)
		if (started[i].generator)
			started[i].generator = NULL;
}

/* Once, by the first loop: only then is it known whether the mode is strict. Needs the GIL. */
_hidden_ void generator_loop_starts(void)
{
	static bool is_tried;

	if (is_tried || !watch.options.is_strict || !watch.is_frames_ok)
		return;
	is_tried = true;
	if (!install((PyObject *)py.PyAsyncGen_Type))
		watch_lost(LOSS_HOOK_REFUSED);
}
