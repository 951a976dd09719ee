/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chain: what a task awaits while it runs
 *
 * A coroutine that runs keeps nothing of what it awaits where others could find it (await.c): the
 * coroutine it awaits runs too, as the next frame of the thread. So the task's own coroutine is
 * looked for on the stack, by the address of its frame, and the chain goes inwards from there for
 * as long as one coroutine follows upon another: the first frame of an ordinary function is a call
 * and not an await. A generator is awaited when it is an __await__() or made by types.coroutine(),
 * and is called by a for loop or by hand otherwise.
 *
 * A coroutine that is named as running and is not on the stack is not what runs: then there is no
 * chain, and no task either, whatever a program has written into asyncio's own books.
 */
#include <errno.h>
#include <string.h>

#include "pyframe/task.h"
#include "pyframe/walk.h"

/* co_flags; Include/cpython/code.h, all versions. */
#define CODE_IS_GENERATOR	0x20
#define CODE_IS_COROUTINE	0x80
#define CODE_IS_ITERABLE	0x100 /* types.coroutine() */
#define CODE_IS_ASYNC_GENERATOR 0x200

#define CHAIN_AWAIT_METHOD	"__await__"

static int chain_frame_of(const struct pyframe *p, const struct mem *mem, uint64_t coro_raddr,
			  uint64_t *ret_frame_raddr)
{
	const struct pyframe_layout *l = &p->layout;
	uint64_t frame_raddr = coro_raddr + l->gen_iframe;
	int r = 0;

	/* Up to 3.10 the frame is an object of its own. */
	if (!l->gen_state)
		r = mem_read(mem, coro_raddr + l->header_bytes, &frame_raddr, 8);
	if (r < 0)
		return r;
	if (!frame_raddr)
		return -ESRCH;
	*ret_frame_raddr = frame_raddr;
	return 0;
}

static bool chain_is_await_method(const struct pyframe *p, const struct mem *mem,
				  uint64_t code_raddr)
{
	size_t len = strlen(CHAIN_AWAIT_METHOD);
	struct pyframe_text text;

	if (pyframe_describe_code(p, mem, code_raddr, &text) < 0 || text.function_len < len)
		return false;
	return !strcmp(text.function + text.function_len - len, CHAIN_AWAIT_METHOD);
}

/* Whether a frame that stands right inside a coroutine is awaited by it. */
static bool chain_is_awaited(const struct pyframe *p, const struct mem *mem, uint64_t code_raddr)
{
	uint32_t flags;

	if (mem_read(mem, code_raddr + p->layout.code_flags, &flags, sizeof(flags)) < 0)
		return false;
	if (flags & (CODE_IS_COROUTINE | CODE_IS_ITERABLE | CODE_IS_ASYNC_GENERATOR))
		return true;
	return flags & CODE_IS_GENERATOR && chain_is_await_method(p, mem, code_raddr);
}

/* The outer ends of both are there, so that frames can be counted from them. */
static bool chain_is_rooted(const struct pyframe_stack *stack)
{
	return stack->end == PYFRAME_END_COMPLETE || stack->end == PYFRAME_END_TORN;
}

/* Where frame at of a stack taken now is in one taken before; stack->n_frames when it is not. */
static uint32_t chain_align(const struct pyframe_stack *now, uint32_t at,
			    const struct pyframe_stack *stack)
{
	uint32_t from_root = now->n_frames - 1 - at, place;

	if (now->n_frames == stack->n_frames)
		place = at;
	else if (chain_is_rooted(now) && chain_is_rooted(stack) && from_root < stack->n_frames)
		place = stack->n_frames - 1 - from_root;
	else
		return stack->n_frames;
	return stack->frames[place].code_raddr == now->frames[at].code_raddr ? place
									     : stack->n_frames;
}

/**
 * task_find_place() - The frames of a coroutine that runs, and of what it awaits
 *
 * Return: 0; -ESRCH when it does not run there; -errno when it cannot be read.
 */
int task_find_place(const struct pyframe *p, const struct mem *mem, uint64_t tstate_raddr,
		    uint64_t coro_raddr, const struct pyframe_stack *stack,
		    struct task_place *ret_place)
{
	struct pyframe_stack now;
	enum walk_result result;
	uint32_t outer, inner;
	struct walk w;
	int r;

	walk_init(&w, p, mem, NULL, &now);
	r = chain_frame_of(p, mem, coro_raddr, &w.sought_raddr);
	if (r == 0)
		r = walk_pass(&w, tstate_raddr, &result);
	if (r < 0)
		return r;
	if (w.sought_at >= now.n_frames)
		return -ESRCH;
	outer = chain_align(&now, w.sought_at, stack);
	if (outer == stack->n_frames)
		return -ESRCH;
	inner = outer;
	while (inner > 0 && chain_is_awaited(p, mem, stack->frames[inner - 1].code_raddr))
		inner--;
	*ret_place = (struct task_place){.outer = outer, .inner = inner};
	return 0;
}
