/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Await: from a coroutine down to what it waits for
 *
 * A suspended coroutine keeps what it awaits on top of its frame's stack: another coroutine, a
 * generator, an async generator (behind the object that asks it for its next value), or, at the
 * end, a future. CPython answers cr_await from there (_PyGen_yf() of Objects/genobject.c), each
 * version in its own way:
 *
 *  - 3.8, 3.9: the instruction behind f_lasti is YIELD_FROM; the top is below f_stacktop;
 *  - 3.10: the same; the top is f_valuestack[f_stackdepth - 1];
 *  - 3.11, 3.12: the next instruction is a RESUME whose argument says "after yield from" or "after
 *    await" (2, 3); the top is localsplus[stacktop - 1];
 *  - 3.13: the state says so; 3.14 has a pointer behind the top, 3.15 keeps a NULL above it.
 *
 * A coroutine that runs keeps nothing there: what it calls is on the stack of its thread.
 *
 * Types are told by name, of types that are not made by a program (a class statement makes heap
 * types), and every frame must have a code object. The chain is bounded, so a cycle ends.
 */
#include <errno.h>
#include <string.h>

#include "pyframe/object.h"
#include "pyframe/task.h"
#include "pyframe/walk.h"

/* A frame's stack is at most as high as its code is long: this is a module of a megabyte. */
#define AWAIT_MAX_STACK (1 << 20)
/* Objects between two coroutines: an asend() in an anext() with a default, and some to spare. */
#define AWAIT_MAX_WRAPPERS 8
/* RESUME's argument after `yield from` and `await`; Include/internal/pycore_opcode_utils.h. */
#define AWAIT_RESUME_LEAST 2

enum await_what {
	AWAIT_OTHER = 0,
	AWAIT_GENERATOR, /* of any of the three kinds: they begin alike */
	AWAIT_WRAPPER,	 /* its first field is what it stands for */
	AWAIT_FUTURE_ITER,
};

struct await_type {
	const char *name;
	enum await_what what;
};

static const struct await_type await_types[] = {
	{"coroutine", AWAIT_GENERATOR},		  {"generator", AWAIT_GENERATOR},
	{"async_generator", AWAIT_GENERATOR},	  {"coroutine_wrapper", AWAIT_WRAPPER},
	{"async_generator_asend", AWAIT_WRAPPER}, {"async_generator_athrow", AWAIT_WRAPPER},
	{"anext_awaitable", AWAIT_WRAPPER},
};

/* A heap type from 3.12 on, static before. */
#define AWAIT_FUTURE_ITER_NAME "_asyncio.FutureIter"

struct await {
	const struct pyframe *p;
	const struct mem *mem;
	/* The last type met: most chains are of one. */
	uint64_t type_raddr;
	enum await_what type_what;
};

static uint64_t await_word(const uint8_t *bytes, uint32_t offset)
{
	uint64_t word;

	memcpy(&word, bytes + offset, sizeof(word));
	return word;
}

static enum await_what await_classify(const struct object_type *type)
{
	if (!strcmp(type->name, AWAIT_FUTURE_ITER_NAME))
		return AWAIT_FUTURE_ITER;
	for (size_t i = 0; i < ARRAY_LEN(await_types); i++)
		if (!(type->flags & OBJECT_IS_HEAP_TYPE) &&
		    !strcmp(type->name, await_types[i].name))
			return await_types[i].what;
	return AWAIT_OTHER;
}

static int await_identify(struct await *a, uint64_t object_raddr, enum await_what *ret_what)
{
	struct object_type type;
	uint64_t type_raddr;
	int r;

	r = object_read_type(a->p, a->mem, object_raddr, &type_raddr);
	if (r < 0)
		return r;
	if (type_raddr != a->type_raddr) {
		r = object_describe_type(a->p, a->mem, type_raddr, &type);
		if (r < 0)
			return r;
		a->type_raddr = type_raddr;
		a->type_what = await_classify(&type);
	}
	*ret_what = a->type_what;
	return 0;
}

/* Through what stands between two coroutines. ret_raddr: what is there in the end. */
static int await_unwrap(struct await *a, uint64_t *raddr, enum await_what *ret_what)
{
	enum await_what what = AWAIT_OTHER;
	int r;

	for (int i = 0; i < AWAIT_MAX_WRAPPERS; i++) {
		r = await_identify(a, *raddr, &what);
		if (r < 0)
			return r;
		if (what != AWAIT_WRAPPER && what != AWAIT_FUTURE_ITER) {
			*ret_what = what;
			return 0;
		}
		r = mem_read(a->mem, *raddr + a->p->layout.header_bytes, raddr, 8);
		if (r < 0)
			return r;
		if (what == AWAIT_FUTURE_ITER) {
			*ret_what = AWAIT_OTHER;
			return 0;
		}
	}
	return -EINVAL;
}

/* The frame of a generator: its address, its bytes, and whether it is inside the object. */
static int await_read_frame(const struct await *a, uint64_t coro_raddr, uint64_t *ret_frame_raddr,
			    uint8_t bytes[static LAYOUT_MAX_FRAME_BYTES])
{
	const struct pyframe_layout *l = &a->p->layout;
	uint64_t frame_raddr = coro_raddr + l->gen_iframe;
	int r = 0;

	if (!l->gen_state)
		r = mem_read(a->mem, coro_raddr + l->header_bytes, &frame_raddr, 8);
	if (r == 0 && frame_raddr)
		r = mem_read(a->mem, frame_raddr, bytes, l->frame_span_bytes);
	if (r == 0)
		*ret_frame_raddr = frame_raddr;
	return r;
}

/* Up to 3.10 the state is the frame's; it is put in the terms of the later versions. */
static int await_read_state(const struct await *a, uint64_t coro_raddr,
			    const struct walk_frame *frame, enum task_end *ret_end)
{
	const struct pyframe_layout *l = &a->p->layout;
	int32_t lasti = (int32_t)frame->instr;
	int8_t state;
	int r;

	if (!l->gen_state) {
		bool runs = frame->state < 8 && l->calling_states & 1 << frame->state;

		*ret_end = runs ? TASK_END_RUNS : lasti < 0 ? TASK_END_NEW : TASK_END_WAITS;
		return 0;
	}
	r = mem_read(a->mem, coro_raddr + l->gen_state, &state, 1);
	if (r < 0)
		return r;
	if (state == l->gen_executing)
		*ret_end = TASK_END_RUNS;
	else if (state == l->gen_created)
		*ret_end = TASK_END_NEW;
	else if (state == l->gen_suspended || state == l->gen_awaiting)
		*ret_end = TASK_END_WAITS;
	else
		*ret_end = TASK_END_OVER;
	return 0;
}

/* Up to 3.12: whether the next instruction is the one behind an await. */
static int await_is_at_await(const struct await *a, const struct walk_frame *frame, uint64_t lasti,
			     bool *ret_is_await)
{
	const struct pyframe_layout *l = &a->p->layout;
	uint64_t code_raddr = frame->executable_raddr, next_raddr = frame->instr + 2;
	uint8_t next[2];
	int r = 0;

	if (l->code_string) {
		r = mem_read(a->mem, code_raddr + l->code_string, &next_raddr, 8);
		next_raddr += l->bytes_value + lasti + 2;
	}
	if (r == 0)
		r = mem_read(a->mem, next_raddr, next, sizeof(next));
	if (r < 0)
		return r;
	*ret_is_await = (next[0] == l->await_opcodes[0] || next[0] == l->await_opcodes[1]) &&
			(l->code_string || next[1] >= AWAIT_RESUME_LEAST);
	return 0;
}

static int await_is_awaiting(const struct await *a, uint64_t coro_raddr,
			     const struct walk_frame *frame, uint64_t lasti, bool *ret_is_await)
{
	const struct pyframe_layout *l = &a->p->layout;
	int8_t state;
	int r;

	if (l->await_opcodes[0])
		return await_is_at_await(a, frame, lasti, ret_is_await);
	r = mem_read(a->mem, coro_raddr + l->gen_state, &state, 1);
	if (r < 0)
		return r;
	*ret_is_await = state == l->gen_awaiting;
	return 0;
}

/* Where the word is that holds what is awaited. */
static int await_find_top(const struct await *a, uint64_t frame_raddr, const uint8_t *bytes,
			  uint64_t *ret_raddr)
{
	const struct pyframe_layout *l = &a->p->layout;
	uint64_t base_raddr = await_word(bytes, l->frame_stack);
	int32_t depth = 0;

	switch (l->await_kind) {
	case AWAIT_STACKTOP_POINTER:
	case AWAIT_STACK_POINTER:
		*ret_raddr = base_raddr - 8;
		return 0;
	case AWAIT_STACK_POINTER_2:
		*ret_raddr = base_raddr - 16;
		return 0;
	case AWAIT_STACK_DEPTH:
		memcpy(&depth, bytes + l->frame_stackdepth, sizeof(depth));
		break;
	case AWAIT_STACKTOP:
		memcpy(&depth, bytes + l->frame_stack, sizeof(depth));
		base_raddr = frame_raddr + l->frame_localsplus;
		break;
	}
	if (depth < 1 || depth > AWAIT_MAX_STACK)
		return -EINVAL;
	*ret_raddr = base_raddr + 8 * (uint64_t)(depth - 1);
	return 0;
}

/* What the frame awaits; 0 when it yields instead. */
static int await_read_top(const struct await *a, uint64_t frame_raddr, const uint8_t *bytes,
			  uint64_t *ret_awaited_raddr)
{
	uint64_t top_raddr, awaited_raddr;
	int r;

	r = await_find_top(a, frame_raddr, bytes, &top_raddr);
	if (r == 0)
		r = mem_read(a->mem, top_raddr, &awaited_raddr, 8);
	if (r < 0)
		return r;
	*ret_awaited_raddr = awaited_raddr & ~(uint64_t)a->p->layout.executable_mask;
	return 0;
}

/* One link. ret_next_raddr: what it awaits, when it waits. */
static int await_read_link(const struct await *a, uint64_t coro_raddr, struct task_link *ret_link,
			   enum task_end *ret_end, uint64_t *ret_next_raddr)
{
	uint8_t bytes[LAYOUT_MAX_FRAME_BYTES];
	struct task_link link = {.coro_raddr = coro_raddr};
	struct walk_frame frame;
	uint64_t frame_raddr = 0, type_raddr, lasti;
	bool is_await = false;
	int r;

	*ret_next_raddr = 0;
	r = await_read_frame(a, coro_raddr, &frame_raddr, bytes);
	if (r < 0)
		return r;
	if (!frame_raddr) {
		*ret_end = TASK_END_OVER;
		link.addr.lasti = PYFRAME_LASTI_NONE;
		*ret_link = link;
		return pyframe_coroutine_code(a->p, a->mem, coro_raddr, &ret_link->addr.code_raddr);
	}
	walk_parse_frame(&a->p->layout, bytes, &frame);
	r = await_read_state(a, coro_raddr, &frame, ret_end);
	if (r == 0)
		r = object_read_type(a->p, a->mem, frame.executable_raddr, &type_raddr);
	if (r < 0)
		return r;
	if (a->p->code_type_raddr && type_raddr != a->p->code_type_raddr)
		return -EINVAL;
	link.addr.code_raddr = frame.executable_raddr;
	link.addr.lasti = PYFRAME_LASTI_NONE;
	if (*ret_end != TASK_END_OVER &&
	    walk_find_lasti(a->p, a->mem, &frame, &link.addr.lasti) < 0)
		return -EINVAL;
	lasti = link.addr.lasti;
	*ret_link = link;
	if (*ret_end != TASK_END_WAITS || lasti == PYFRAME_LASTI_NONE)
		return 0;
	r = await_is_awaiting(a, coro_raddr, &frame, lasti, &is_await);
	if (r == 0 && is_await)
		r = await_read_top(a, frame_raddr, bytes, ret_next_raddr);
	return r;
}

static enum task_end await_end_of(int r)
{
	return r == -EINVAL ? TASK_END_INVALID : TASK_END_UNREADABLE;
}

/**
 * task_follow() - From a coroutine down to the innermost await
 *
 * The coroutine must be one that the caller knows to live; what it awaits it holds itself. Another
 * thread may run it meanwhile: then the chain is of no one moment, though each link is true.
 */
void task_follow(const struct pyframe *p, const struct mem *mem, uint64_t coro_raddr,
		 struct task_chain *ret_chain)
{
	struct await a = {.p = p, .mem = mem};
	struct task_chain *chain = ret_chain;
	enum await_what what;
	uint64_t raddr = coro_raddr;
	int r;

	chain->n_links = 0;
	chain->awaited_raddr = 0;
	chain->end = TASK_END_WAITS;
	while (raddr) {
		r = await_unwrap(&a, &raddr, &what);
		if (r < 0) {
			chain->end = await_end_of(r);
			return;
		}
		if (what != AWAIT_GENERATOR) {
			/* Asked for something that is no coroutine, there is no chain. */
			chain->end = chain->n_links ? TASK_END_WAITS : TASK_END_INVALID;
			chain->awaited_raddr = raddr;
			return;
		}
		if (chain->n_links == TASK_MAX_CHAIN) {
			chain->end = TASK_END_DEPTH;
			return;
		}
		r = await_read_link(&a, raddr, &chain->links[chain->n_links], &chain->end, &raddr);
		if (r < 0) {
			chain->end = await_end_of(r);
			return;
		}
		chain->n_links++;
	}
}
