/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walk: from a thread to the code and instruction of each of its frames
 *
 * A walk takes addresses only, innermost first; names come later (code.c). Three chains exist:
 * 3.8 to 3.10 link PyFrameObjects through f_back; 3.11 and 3.12 reach a _PyInterpreterFrame
 * through the thread's _PyCFrame; from 3.13 on the thread points at it directly. From 3.12 on
 * some frames stand for an entry from C and are passed over (owner, Include/internal/
 * pycore_frame.h); 3.15 ends each chain with one of these.
 *
 * The own thread reads by plain loads: nobody else changes its chain, its frames hold their code
 * objects, and it needs no GIL for that. Any other thread is read through the kernel, while it
 * runs on. A frame is then the unit that is taken whole; the bytes before it in its page come in
 * the same read, since the frame that called it nearly always lies right there (3.11 on), which
 * saves most reads and makes the picture more of a moment. A thread that is sampled again and
 * again has a trail (trail.c), which saves nearly all of them. That frames belong together is found
 * out by walking again (sample.c).
 *
 * Nothing of what is read is believed: the number of steps is bounded, a cycle is noticed, an
 * owner out of range ends the walk, and the type of every code object is compared. What was read
 * before that is kept and the reason for the end with it.
 */
#include <errno.h>
#include <string.h>

#include "pyframe/trail.h"
#include "pyframe/walk.h"

/* Each Python frame may come with one that is passed over. */
#define WALK_MAX_STEPS (2 * PYFRAME_MAX_FRAMES + 16)
/* Bytecode beyond this is garbage: the largest module is some megabytes. */
#define WALK_MAX_CODE_BYTES (UINT64_C(64) << 20)
/* The smallest page of any machine: what lies in one page is mapped as a whole. */
#define WALK_PAGE_BYTES 4096
/* enum _frameowner, Include/internal/pycore_frame.h, 3.11 on. */
#define WALK_OWNER_GENERATOR 1

static uint64_t walk_word(const uint8_t *bytes, uint32_t offset)
{
	uint64_t word;

	memcpy(&word, bytes + offset, sizeof(word));
	return word;
}

/* Frames are on word boundaries of the lower half of the address space. */
static bool walk_is_address(uint64_t raddr)
{
	return raddr >= MEM_MIN_RADDR && raddr < UINT64_C(1) << 56 && raddr % 8 == 0;
}

/* What is read for a frame that has to be read: where it begins; it ends with the frame. */
static uint64_t walk_window_begin(uint64_t frame_raddr, uint64_t end)
{
	uint64_t begin = frame_raddr - frame_raddr % WALK_PAGE_BYTES;

	return end - begin > WALK_WINDOW_BYTES ? end - WALK_WINDOW_BYTES : begin;
}

static const uint8_t *walk_load_by_window(struct walk *w, uint64_t frame_raddr)
{
	uint64_t begin, end = frame_raddr + w->p->layout.frame_span_bytes;

	if (frame_raddr >= w->window_raddr && end <= w->window_raddr + w->window_bytes)
		return w->window + (frame_raddr - w->window_raddr);
	begin = walk_window_begin(frame_raddr, end);
	w->window_bytes = 0;
	if (mem_read(w->mem, begin, w->window, end - begin) < 0)
		return NULL;
	w->window_raddr = begin;
	w->window_bytes = end - begin;
	return w->window + (frame_raddr - begin);
}

/* Return: the bytes of the frame, or NULL; valid until the next call. */
static const uint8_t *walk_load_frame(struct walk *w, uint64_t frame_raddr)
{
	uint32_t span = w->p->layout.frame_span_bytes;
	uint64_t begin, end = frame_raddr + span;
	const uint8_t *bytes;

	if (!walk_is_address(frame_raddr))
		return NULL;
	if (w->mem->kind == MEM_SELF)
		return (const uint8_t *)(uintptr_t)frame_raddr;
	if (!w->trail)
		return walk_load_by_window(w, frame_raddr);
	bytes = trail_find(w->trail, frame_raddr, span);
	if (likely(bytes))
		return bytes;
	begin = walk_window_begin(frame_raddr, end);
	if (trail_extend(w->trail, w->mem, begin, (uint32_t)(end - begin)))
		return trail_find(w->trail, frame_raddr, span);
	return walk_load_by_window(w, frame_raddr);
}

/* From 3.11 on a frame that runs has its stack pointer in a register, and -1 (up to 3.13) or NULL
 * in memory; _PyFrame_SetStackPointer() and _PyFrame_GetStackPointer(). */
static bool walk_has_stack(const struct pyframe_layout *l, const uint8_t *bytes)
{
	int32_t stacktop;

	if (l->await_kind != AWAIT_STACKTOP)
		return walk_word(bytes, l->frame_stack) != 0;
	memcpy(&stacktop, bytes + l->frame_stack, sizeof(stacktop));
	return stacktop >= 0;
}

static inline void walk_parse(const struct pyframe_layout *l, const uint8_t *bytes,
			      struct walk_frame *ret_frame)
{
	int32_t lasti;

	ret_frame->previous_raddr = walk_word(bytes, l->frame_previous);
	ret_frame->executable_raddr =
		walk_word(bytes, l->frame_executable) & ~(uint64_t)l->executable_mask;
	ret_frame->owner = l->owner_first_shim ? bytes[l->frame_owner] : 0;
	ret_frame->state = l->calling_states ? bytes[l->frame_state] : 0;
	ret_frame->is_entry = l->frame_is_entry && bytes[l->frame_is_entry];
	ret_frame->is_calling = walk_has_stack(l, bytes);
	ret_frame->tlbc_index = 0;
	if (l->frame_tlbc_index)
		memcpy(&ret_frame->tlbc_index, bytes + l->frame_tlbc_index, 4);
	if (l->lasti_unit) {
		memcpy(&lasti, bytes + l->frame_instr, sizeof(lasti));
		ret_frame->instr = (uint64_t)(int64_t)lasti;
	} else {
		ret_frame->instr = walk_word(bytes, l->frame_instr);
	}
}

/* Free-threaded 3.14 on: each thread runs its own copy of the bytecode, listed in the code's
 * _PyCodeArray: a count, then the copies; the first is the one in the code object. */
static _cold_ int walk_find_bytecode(const struct pyframe *p, const struct mem *mem,
				     const struct walk_frame *frame, uint64_t *ret_bytecode_raddr)
{
	const struct pyframe_layout *l = &p->layout;
	uint64_t array_raddr, n_copies;

	if (mem_read(mem, frame->executable_raddr + l->code_tlbc, &array_raddr, 8) < 0 ||
	    mem_read(mem, array_raddr, &n_copies, 8) < 0 || frame->tlbc_index >= n_copies)
		return -EINVAL;
	return mem_read(mem, array_raddr + 8 + UINT64_C(8) * frame->tlbc_index, ret_bytecode_raddr,
			8);
}

/* Return: 0, or an error where the instruction is not one of this code. */
static inline int walk_lasti(const struct pyframe *p, const struct mem *mem,
			     const struct walk_frame *frame, uint64_t *ret_lasti)
{
	uint32_t unit = p->layout.lasti_unit;
	uint64_t bytecode_raddr;
	int64_t lasti;
	int r;

	if (unit) {
		lasti = (int64_t)frame->instr * unit;
	} else {
		bytecode_raddr = frame->executable_raddr + p->layout.code_bytecode;
		if (unlikely(frame->tlbc_index)) {
			r = walk_find_bytecode(p, mem, frame, &bytecode_raddr);
			if (r < 0)
				return r;
		}
		lasti = (int64_t)(frame->instr - bytecode_raddr);
	}
	/* A frame that has not begun stands one unit before its code: -1 or -2. */
	if (lasti < -2 || lasti > (int64_t)WALK_MAX_CODE_BYTES)
		return -EINVAL;
	*ret_lasti = lasti < 0 ? PYFRAME_LASTI_NONE : (uint64_t)lasti;
	return 0;
}

void walk_parse_frame(const struct pyframe_layout *l, const uint8_t *bytes,
		      struct walk_frame *ret_frame)
{
	walk_parse(l, bytes, ret_frame);
}

int walk_find_lasti(const struct pyframe *p, const struct mem *mem, const struct walk_frame *frame,
		    uint64_t *ret_lasti)
{
	return walk_lasti(p, mem, frame, ret_lasti);
}

/* Return: true when the walk goes on. */
static bool walk_take_frame(struct walk *w, const struct walk_frame *frame)
{
	struct pyframe_stack *stack = w->stack;
	struct pyframe_addr addr = {.code_raddr = frame->executable_raddr};

	if (stack->n_frames == PYFRAME_MAX_FRAMES) {
		stack->end = PYFRAME_END_DEPTH;
		return false;
	}
	if (!walk_is_address(addr.code_raddr) || walk_lasti(w->p, w->mem, frame, &addr.lasti) < 0) {
		stack->end = PYFRAME_END_INVALID;
		return false;
	}
	stack->frames[stack->n_frames++] = addr;
	return true;
}

/*
 * The frame taken last was entered from C. Up to 3.10 each one is: the evaluation loop calls itself
 * for each. 3.11 says so in the frame; from 3.12 on the frame behind it is one that stands for the
 * entry.
 */
static void walk_mark_entry(struct pyframe_stack *stack)
{
	uint32_t last = stack->n_frames - 1;

	if (stack->n_frames)
		stack->entries[last / 64] |= UINT64_C(1) << last % 64;
}

/* No bits beyond the frames there are. */
void walk_forget_entries(struct pyframe_stack *stack)
{
	for (uint32_t i = 0; i < PYFRAME_N_ENTRY_WORDS; i++) {
		uint32_t n = stack->n_frames > 64 * i ? stack->n_frames - 64 * i : 0;

		if (n < 64)
			stack->entries[i] &= (UINT64_C(1) << n) - 1;
	}
}

static void walk_cut(struct pyframe_stack *stack, size_t n_frames, enum pyframe_end end)
{
	if (n_frames >= stack->n_frames)
		return;
	stack->n_frames = (uint32_t)n_frames;
	stack->end = end;
	walk_forget_entries(stack);
}

/* Every frame must have a code object: the first that has none ends the stack. Those that the last
 * stack had in the same place are taken for what they were: describing them looks again. */
static void walk_check_types_remote(const struct pyframe *p, const struct mem *mem,
				    const struct pyframe_trail *trail, struct pyframe_stack *stack)
{
	uint64_t raddrs[PYFRAME_MAX_FRAMES], types[PYFRAME_MAX_FRAMES];
	uint32_t at[PYFRAME_MAX_FRAMES], n = 0;
	size_t n_read = 0, i;

	_Static_assert(PYFRAME_MAX_FRAMES <= MEM_MAX_WORDS, "one read takes all");
	for (i = 0; i < stack->n_frames; i++) {
		uint64_t code_raddr = stack->frames[i].code_raddr;

		if (trail && trail_knows_code(trail, stack->n_frames - 1 - (uint32_t)i, code_raddr))
			continue;
		if (n && stack->frames[at[n - 1]].code_raddr == code_raddr)
			continue;
		raddrs[n] = code_raddr + p->layout.object_type;
		at[n++] = (uint32_t)i;
	}
	if (!n)
		return;
	if (mem_read_words_remote(mem, raddrs, types, n, &n_read) < 0)
		n_read = 0;
	for (i = 0; i < n_read && types[i] == p->code_type_raddr; i++)
		;
	if (i < n)
		walk_cut(stack, at[i], i < n_read ? PYFRAME_END_INVALID : PYFRAME_END_UNREADABLE);
}

/* The same by plain loads. It comes after the chain was followed here too, so that a wrong chain
 * is cut where it went wrong; the loads themselves are of memory the caller vouches for. */
static void walk_check_types_self(const struct pyframe *p, struct pyframe_stack *stack)
{
	uint64_t type_raddr;
	size_t i;

	for (i = 0; i < stack->n_frames; i++) {
		memcpy(&type_raddr,
		       (const char *)(uintptr_t)stack->frames[i].code_raddr + p->layout.object_type,
		       sizeof(type_raddr));
		if (type_raddr != p->code_type_raddr)
			break;
	}
	walk_cut(stack, i, PYFRAME_END_INVALID);
}

void walk_check_types(const struct pyframe *p, const struct mem *mem,
		      const struct pyframe_trail *trail, struct pyframe_stack *stack)
{
	if (!p->code_type_raddr || !stack->n_frames)
		return;
	if (mem->kind == MEM_SELF)
		walk_check_types_self(p, stack);
	else
		walk_check_types_remote(p, mem, trail, stack);
}

/*
 * Whether a frame can be where the walk found it, as far as it says itself. Up to 3.10 frames that
 * are free are linked by f_back too, with their code still in them: a walk that meets a frame while
 * it is freed would go on into that list and see a whole stack of the past. No frame in there
 * executes.
 */
static bool walk_is_plausible(const struct pyframe_layout *l, const struct walk_frame *frame)
{
	if (frame->owner > l->owner_last)
		return false;
	return !l->calling_states || (frame->state < 8 && l->calling_states & 1 << frame->state);
}

/*
 * Whether a frame can be the caller of the one before, entered without C in between. It has put its
 * stack pointer away then, and takes it up again as soon as the callee has returned: a caller
 * without one has gone on since the callee was read, and its instruction with it.
 */
static bool walk_is_caller(const struct pyframe_layout *l, const struct walk_frame *frame)
{
	return l->calling_states || frame->is_calling;
}

static bool walk_is_shim(const struct pyframe_layout *l, const struct walk_frame *frame)
{
	return l->owner_first_shim && frame->owner >= l->owner_first_shim;
}

/*
 * Whether a frame with none behind it can be the outermost. A generator that yields is unlinked
 * from its caller while it is still the thread's frame for a moment: a stack of one frame that
 * looks complete. From 3.12 on every chain ends with an entry from C; in 3.11 a generator cannot
 * be the end; before, whatever is in the chain executes.
 */
static bool walk_is_root(const struct pyframe_layout *l, const struct walk_frame *frame)
{
	if (l->calling_states)
		return walk_is_plausible(l, frame);
	if (l->owner_last < l->owner_first_shim)
		return frame->owner != WALK_OWNER_GENERATOR;
	return walk_is_shim(l, frame);
}

static void walk_chain(struct walk *w, uint64_t frame_raddr)
{
	const struct pyframe_layout *l = &w->p->layout;
	uint64_t mark_raddr = 0;
	uint32_t next_mark = 1;
	bool is_self = w->mem->kind == MEM_SELF, is_called_inline = false;
	struct walk_frame frame;
	const uint8_t *bytes;

	w->stack->end = PYFRAME_END_DEPTH;
	for (uint32_t step = 0; step < WALK_MAX_STEPS; step++) {
		if (!frame_raddr) {
			w->is_rooted = step == 0 || walk_is_root(l, &frame);
			/* The own thread's chain ends where it ends, whoever is last in it. */
			w->stack->end = w->is_rooted || is_self ? PYFRAME_END_COMPLETE
								: PYFRAME_END_INVALID;
			return;
		}
		bytes = walk_load_frame(w, frame_raddr);
		if (unlikely(!bytes)) {
			w->stack->end = PYFRAME_END_UNREADABLE;
			return;
		}
		walk_parse(l, bytes, &frame);
		/* The own thread's frames are what they are: also those a tracer is told of before
		 * they execute. */
		if (unlikely((!is_self && !walk_is_plausible(l, &frame)) ||
			     (!is_self && is_called_inline && !walk_is_caller(l, &frame)) ||
			     frame.owner > l->owner_last || frame_raddr == mark_raddr)) {
			w->stack->end = PYFRAME_END_INVALID;
			return;
		}
		/* Brent: a chain that comes back to a frame marked at a power of two is a cycle. */
		if (step + 1 == next_mark) {
			mark_raddr = frame_raddr;
			next_mark *= 2;
		}
		if (unlikely(frame_raddr == w->sought_raddr))
			w->sought_at = w->stack->n_frames;
		if (!walk_is_shim(l, &frame) && !walk_take_frame(w, &frame))
			return;
		if (walk_is_shim(l, &frame) || l->calling_states || frame.is_entry)
			walk_mark_entry(w->stack);
		is_called_inline = !walk_is_shim(l, &frame) && !frame.is_entry;
		frame_raddr = frame.previous_raddr;
	}
}

static int walk_find_first(const struct pyframe_layout *l, const struct mem *mem,
			   uint64_t tstate_raddr, uint64_t *ret_frame_raddr)
{
	uint64_t raddr;
	int r;

	r = mem_read(mem, tstate_raddr + l->thread_frame, &raddr, sizeof(raddr));
	if (r == 0 && l->has_cframe && raddr)
		r = mem_read(mem, raddr + l->cframe_frame, &raddr, sizeof(raddr));
	if (r < 0)
		return r;
	*ret_frame_raddr = raddr;
	return 0;
}

static bool walk_is_moved(const struct walk *w, uint64_t tstate_raddr, uint64_t frame_raddr)
{
	uint64_t now_raddr;

	if (w->mem->kind == MEM_SELF)
		return false;
	if (w->trail && !w->trail->is_extended)
		return w->trail->is_moved;
	return walk_find_first(&w->p->layout, w->mem, tstate_raddr, &now_raddr) < 0 ||
	       now_raddr != frame_raddr;
}

/*
 * One pass over the chain. The code objects in it have not been looked at yet.
 *
 * The innermost frame is asked for before the frames are read and once more after. Where it is the
 * same, the frames most likely did not change in between; a thread that calls and returns ten
 * million times a second may have come back to the same place all the same, which is why there are
 * several passes.
 */
int walk_pass(struct walk *w, uint64_t tstate_raddr, enum walk_result *ret_result)
{
	const struct pyframe_layout *l = &w->p->layout;
	struct pyframe_stack *stack = w->stack;
	uint64_t frame_raddr;
	bool is_whole;
	int r;

	if (!walk_is_address(tstate_raddr))
		return -EFAULT;
	if (w->trail)
		r = trail_begin(w->trail, l, w->mem, tstate_raddr, &frame_raddr);
	else
		r = walk_find_first(l, w->mem, tstate_raddr, &frame_raddr);
	if (r < 0)
		return r;
	w->is_rooted = false;
	w->window_raddr = w->window_bytes = 0;
	stack->n_frames = 0;
	memset(stack->entries, 0, sizeof(stack->entries));
	walk_chain(w, frame_raddr);
	if (w->trail)
		trail_end(w->trail);
	is_whole = stack->end == PYFRAME_END_DEPTH ||
		   (stack->end == PYFRAME_END_COMPLETE && w->is_rooted);
	*ret_result = !is_whole					    ? WALK_LOST
		      : walk_is_moved(w, tstate_raddr, frame_raddr) ? WALK_MOVED
								    : WALK_WHOLE;
	return 0;
}

/* Only what the passes need is set: the window is a kilobyte that nobody reads before it is
 * filled. */
void walk_init(struct walk *w, const struct pyframe *p, const struct mem *mem,
	       struct pyframe_trail *trail, struct pyframe_stack *stack)
{
	w->p = p;
	w->mem = mem;
	w->trail = trail;
	w->stack = stack;
	w->sought_raddr = 0;
	w->sought_at = UINT32_MAX;
}

/**
 * pyframe_walk() - The frames of a thread, in one pass
 *
 * With MEM_SELF the thread must be the calling one.
 *
 * Return: 0, however far it came; -errno when not even the thread can be read.
 */
int pyframe_walk(const struct pyframe *p, const struct mem *mem, uint64_t tstate_raddr,
		 struct pyframe_stack *ret_stack)
{
	enum walk_result result;
	struct walk w;
	int r;

	walk_init(&w, p, mem, NULL, ret_stack);
	r = walk_pass(&w, tstate_raddr, &result);
	if (r == 0)
		walk_check_types(p, mem, NULL, ret_stack);
	return r;
}
