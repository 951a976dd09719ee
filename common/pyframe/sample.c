/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sample: the frames of a thread that may go on running while they are read
 *
 * A pass over such a thread (walk.c) may show frames that never stood together: a callee that is
 * gone by the time its caller is read. A thread worth sampling stands still, so a stack is taken
 * when several passes give the same, and where they do not, of a thread that runs on, the outer
 * frames they have in common. Whoever finds the names afterwards asks again whether the stack still
 * stands (pyframe_confirm()), since nobody held its code objects.
 *
 * Called by the watchdog, and by the daemon for another process. Needs some 8 KB of stack.
 */
#include <stdbool.h>
#include <string.h>

#include "pyframe/trail.h"
#include "pyframe/walk.h"

/*
 * So many equal passes are needed. Of a million stacks of a thread that calls and returns all the
 * time up to 36 were wrong when two passes had agreed on them, none with three.
 */
#define SAMPLE_EQUAL_PASSES 3
/* A thread that does not give them in these is not standing still. */
#define SAMPLE_MAX_PASSES 6
/* A pass that lost its way has said nothing and is made again, but not for ever. */
#define SAMPLE_MAX_TRIES 10

/*
 * Equal but for the innermost instruction: a frame that runs goes on from one instruction to the
 * next between two passes, and is no less the same frame.
 */
static bool sample_is_same(const struct pyframe_stack *a, const struct pyframe_stack *b)
{
	if (a->n_frames != b->n_frames || a->end != b->end)
		return false;
	if (a->n_frames == 0)
		return true;
	return a->frames[0].code_raddr == b->frames[0].code_raddr &&
	       memcmp(&a->frames[1], &b->frames[1], (a->n_frames - 1) * sizeof(a->frames[0])) == 0;
}

/* Whether the inner frames of now are those of a stack that was cut. */
static bool sample_is_begin(const struct pyframe_stack *stack, const struct pyframe_stack *now)
{
	if (now->n_frames < stack->n_frames)
		return false;
	for (uint32_t i = 0; i < stack->n_frames; i++)
		if (stack->frames[i].code_raddr != now->frames[i].code_raddr ||
		    (i && stack->frames[i].lasti != now->frames[i].lasti))
			return false;
	return true;
}

/*
 * How many of the outer frames two stacks have in common. The innermost of those that have only
 * the code in common counts as well: everything it was called from stood still, so it is the frame
 * that runs, and only what it calls comes and goes.
 */
static uint32_t sample_count_common(const struct pyframe_stack *one,
				    const struct pyframe_stack *other)
{
	uint32_t n_max = MIN(one->n_frames, other->n_frames), n = 0;
	const struct pyframe_addr *a = one->frames + one->n_frames;
	const struct pyframe_addr *b = other->frames + other->n_frames;

	while (n < n_max && a[-1].code_raddr == b[-1].code_raddr && a[-1].lasti == b[-1].lasti) {
		n++;
		a--;
		b--;
	}
	if (n < n_max && a[-1].code_raddr == b[-1].code_raddr)
		n++;
	return n;
}

/* Keep the n outermost frames. */
static void sample_keep_outer(struct pyframe_stack *stack, uint32_t n)
{
	uint64_t entries[PYFRAME_N_ENTRY_WORDS] = {0};
	uint32_t n_gone = stack->n_frames - n;

	for (uint32_t i = 0; i < n; i++)
		if (pyframe_is_entry(stack, n_gone + i))
			entries[i / 64] |= UINT64_C(1) << i % 64;
	memcpy(stack->entries, entries, sizeof(entries));
	memmove(stack->frames, stack->frames + stack->n_frames - n, n * sizeof(stack->frames[0]));
	stack->n_frames = n;
	stack->end = PYFRAME_END_TORN;
}

/* What the passes so far have shown. */
struct sample_history {
	struct pyframe_stack older; /* the pass before */
	enum walk_result result;    /* of it */
	int n_equal;		    /* whole and equal, up to it */
	uint32_t n_common;	    /* frames from the outermost in it and the one before it */
};

/* Take the pass in *stack into account. Return: how many outer frames three passes agree on. */
static uint32_t sample_compare(struct sample_history *history, const struct pyframe_stack *stack,
			       enum walk_result result)
{
	uint32_t n_common = 0, n_agreed;

	/* From a stack cut for its depth on, the outermost are others each time. */
	if (history->result != WALK_LOST && result != WALK_LOST &&
	    history->older.end == PYFRAME_END_COMPLETE && stack->end == PYFRAME_END_COMPLETE)
		n_common = sample_count_common(&history->older, stack);
	if (result == WALK_WHOLE && history->result == WALK_WHOLE &&
	    sample_is_same(&history->older, stack))
		history->n_equal++;
	else
		history->n_equal = result == WALK_WHOLE;
	n_agreed = MIN(n_common, history->n_common);
	history->n_common = n_common;
	return n_agreed;
}

static void sample_remember(struct sample_history *history, const struct pyframe_stack *stack,
			    enum walk_result result)
{
	memcpy(&history->older, stack, offsetof(struct pyframe_stack, frames[stack->n_frames]));
	history->result = result;
}

/*
 * Passes until some are equal. Without that, the outer frames are kept that the last three have in
 * common, if none of the three lost its way.
 */
static int sample_until_equal(struct walk *w, uint64_t tstate_raddr)
{
	struct sample_history history;
	struct pyframe_stack *stack = w->stack;
	enum walk_result result;
	uint32_t n_agreed;
	bool is_still;
	int r, n_passes = 0;

	history.older.n_frames = 0;
	history.older.end = PYFRAME_END_COMPLETE;
	history.result = WALK_LOST;
	history.n_equal = 0;
	history.n_common = 0;
	for (int tries = 1;; tries++) {
		r = walk_pass(w, tstate_raddr, &result);
		if (r < 0)
			return r;
		n_passes += result != WALK_LOST;
		is_still = tries > 1 && sample_is_same(&history.older, stack);
		n_agreed = sample_compare(&history, stack, result);
		if (history.n_equal == SAMPLE_EQUAL_PASSES)
			return 0;
		if (tries == SAMPLE_MAX_TRIES || n_passes == SAMPLE_MAX_PASSES)
			break;
		sample_remember(&history, stack, result);
	}
	/* Never whole and yet the same: it does stand still, and this is what there is. */
	if (n_passes || !is_still)
		sample_keep_outer(stack, n_agreed);
	return 0;
}

static int sample_stable(struct walk *w, uint64_t tstate_raddr)
{
	struct pyframe_stack *stack = w->stack;
	enum pyframe_end end;
	int r;

	r = sample_until_equal(w, tstate_raddr);
	if (r < 0)
		return r;
	end = stack->end;
	walk_check_types(w->p, w->mem, w->trail, stack);
	/* Inner frames without the outer ones, or the other way round, but not a piece of the
	 * middle. */
	if (end == PYFRAME_END_TORN && stack->end != end) {
		stack->n_frames = 0;
		stack->end = end;
		walk_forget_entries(stack);
	}
	if (w->trail)
		trail_keep_codes(w->trail, stack);
	return 0;
}

/**
 * pyframe_walk_stable() - The frames of a thread that may go on running
 *
 * Needs some 8 KB of stack. The innermost instruction is that of the last pass.
 *
 * Return: as pyframe_walk(). On -errno ret_stack may hold a pass.
 */
int pyframe_walk_stable(const struct pyframe *p, const struct mem *mem, uint64_t tstate_raddr,
			struct pyframe_stack *ret_stack)
{
	struct walk w;

	walk_init(&w, p, mem, NULL, ret_stack);
	return sample_stable(&w, tstate_raddr);
}

/**
 * pyframe_sample() - The same, reading at once what the last sample of this thread had to look for
 *
 * Return: as pyframe_walk_stable().
 */
int pyframe_sample(const struct pyframe *p, const struct mem *mem, uint64_t tstate_raddr,
		   struct pyframe_trail *trail, struct pyframe_stack *ret_stack)
{
	struct walk w;

	walk_init(&w, p, mem, mem->kind == MEM_SELF ? NULL : trail, ret_stack);
	return sample_stable(&w, tstate_raddr);
}

/**
 * pyframe_confirm() - Whether a stack still stands, after its frames were described
 *
 * The innermost frame that is left may have gone on to another line; its names are right.
 *
 * Return: 0, or -errno. All are gone when the thread cannot be followed.
 */
int pyframe_confirm(const struct pyframe *p, const struct mem *mem, uint64_t tstate_raddr,
		    struct pyframe_trail *trail, const struct pyframe_stack *stack,
		    uint32_t *ret_n_gone)
{
	/* Its outermost frame is the thread's: then two stacks are compared from there. */
	bool is_anchored = stack->end == PYFRAME_END_COMPLETE || stack->end == PYFRAME_END_TORN;
	enum walk_result result = WALK_LOST;
	struct pyframe_stack now;
	struct walk w;
	int r;

	walk_init(&w, p, mem, mem->kind == MEM_SELF ? NULL : trail, &now);
	for (int tries = 0; result == WALK_LOST && tries < SAMPLE_MAX_PASSES; tries++) {
		r = walk_pass(&w, tstate_raddr, &result);
		if (r < 0)
			return r;
		/* One that could not be followed to its end before is not followed there now. */
		if (!is_anchored)
			break;
	}
	if (!is_anchored)
		*ret_n_gone = sample_is_begin(stack, &now) ? 0 : stack->n_frames;
	else if (now.end == PYFRAME_END_COMPLETE)
		*ret_n_gone = stack->n_frames - sample_count_common(stack, &now);
	else
		*ret_n_gone = stack->n_frames;
	return 0;
}
