/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Emit: what was slow, as records in the ring
 *
 * All of this is the slow path: it runs when something took longer than its limit, on the thread
 * that did it, and costs some microseconds. Strings are interned first and the record is filled
 * last, so that between ring_reserve() and ring_commit() there are only stores. A full ring or
 * arena is counted; nothing waits.
 */
#include <string.h>
#include <time.h>

#include "emit.h"
#include "exempt.h"
#include "intern.h"
#include "native.h"
#include "py/collection.h"
#include "py/gil.h"
#include "pyframe/memo.h"
#include "room.h"
#include "scheduling.h"
#include "target.h"
#include "task.h"
#include "test-name.h"
#include "wire/ring.h"

/*
 * Of the frames that were slow lately: 64 KiB, of which only what is used counts. A service has
 * some hundreds of them.
 */
#define MEMO_N_ENTRIES 1024
/* Small, since this runs on the stacks of threads that may have little: 32 KiB is Python's least.
 */
#define NAMES_BATCH 16

static struct memo_entry memo_entries[MEMO_N_ENTRIES];
static const struct memo memo = {.entries = memo_entries, .n_entries = MEMO_N_ENTRIES};

/* Reserve and fill in the header; NULL and a counted loss when the ring is full. */
_hidden_ void *emit_record(uint32_t size_bytes, enum record_type type, uint16_t flags)
{
	struct record *record;

	test_name_emit();
	record = ring_reserve(&watch.region, size_bytes);
	if (!record) {
		watch_lost(LOSS_RING_FULL);
		return NULL;
	}
	record->type = (uint16_t)type;
	record->flags = flags;
	record->ticks = clock_ticks_kernel(watch.clock_kind);
	return record;
}

static uint32_t frames_bytes(const struct record_stack *stack)
{
	return stack->n_frames * (uint32_t)sizeof(struct record_frame);
}

/* Describe a frame that is not remembered, and remember it. */
static bool name_find(const struct mem *mem, struct memo_name *name)
{
	struct pyframe_text text;

	if (pyframe_describe(&watch.pyframe, mem, &name->addr, &text))
		return false;
	name->file_id = intern(text.file, text.file_len);
	name->function_id = intern(text.function, text.function_len);
	name->line = text.line;
	name->first_line = text.first_line;
	memo_remember(&memo, &watch.pyframe, mem, name);
	return true;
}

/* Return: how many of the frames could be named, from the first on. */
static uint32_t names_batch(const struct mem *mem, const struct pyframe_addr *found, uint32_t n,
			    struct record_frame *ret_frames)
{
	struct memo_name names[NAMES_BATCH];

	memo_recall(&memo, &watch.pyframe, mem, found, n, names);
	for (uint32_t i = 0; i < n; i++) {
		if (!names[i].is_known && !name_find(mem, &names[i]))
			return i;
		ret_frames[i] = (struct record_frame){
			.file_str = names[i].file_id,
			.function_str = names[i].function_id,
			.line = names[i].line,
			.first_line = names[i].first_line,
		};
	}
	return n;
}

/* Names for the addresses of a stack. A frame that cannot be named ends it: better short than
 * wrong. */
_hidden_ void emit_stack_names(const struct mem *mem, const struct pyframe_stack *found,
			       struct stack_buf *ret_stack)
{
	uint32_t n_frames = MIN(found->n_frames, RECORD_MAX_FRAMES), n = 0;

	_Static_assert(RECORD_N_ENTRY_WORDS == PYFRAME_N_ENTRY_WORDS, "the same bits");
	memcpy(ret_stack->entries, found->entries, sizeof(ret_stack->entries));
	ret_stack->stack.end = found->end;
	while (n < n_frames) {
		uint32_t batch = MIN(n_frames - n, NAMES_BATCH);
		uint32_t named = names_batch(mem, found->frames + n, batch, ret_stack->frames + n);

		n += named;
		if (named < batch) {
			ret_stack->stack.end = PYFRAME_END_UNREADABLE;
			break;
		}
	}
	ret_stack->stack.n_frames = n;
}

/* In a fork child: what was remembered are offsets in the parent's arena. */
_hidden_ void emit_forget(void)
{
	memset(memo_entries, 0, sizeof(memo_entries));
	native_forget();
	test_name_forget();
}

/* Count a stack that is not what it should be. */
_hidden_ void emit_stack_loss(const struct record_stack *stack)
{
	if (stack->end == PYFRAME_END_TORN)
		watch_lost(LOSS_STACK_TORN);
	else if (stack->end != PYFRAME_END_COMPLETE && stack->end != PYFRAME_END_DEPTH)
		watch_lost(LOSS_STACK_UNREADABLE);
}

/*
 * The calling thread's Python stack. No GIL needed: nobody else moves these frames. Only when the
 * interpreter may have let go of this thread (it is ending, or the thread's state was deleted under
 * a loop that still counts as running) are they read through the kernel.
 */
static void own_stack(uint64_t tstate_raddr, const struct mem *mem, struct pyframe_stack *ret_found,
		      struct stack_buf *ret_stack)
{
	ret_found->n_frames = 0;
	ret_stack->stack = (struct record_stack){.end = PYFRAME_END_UNREADABLE};
	memset(ret_stack->entries, 0, sizeof(ret_stack->entries));
	if (!tstate_raddr || !watch.is_frames_ok)
		return;
	if (room_is_enough() && !pyframe_walk(&watch.pyframe, mem, tstate_raddr, ret_found))
		emit_stack_names(mem, ret_found, ret_stack);
	emit_stack_loss(&ret_stack->stack);
}

static const struct mem *own_mem(uint64_t tstate_raddr)
{
	return gil_owns_tstate(tstate_raddr) ? &watch.self : &watch.remote;
}

_hidden_ void emit_own_stack(uint64_t tstate_raddr, struct stack_buf *ret_stack)
{
	struct pyframe_stack found;

	own_stack(tstate_raddr, own_mem(tstate_raddr), &found, ret_stack);
}

_hidden_ uint64_t emit_turn_seq(const struct loop *loop)
{
	return atomic_load_explicit(&loop->slot->turn_seq, memory_order_relaxed);
}

/* callback_seq counts those that have ended: the one that runs bears the next number. */
_hidden_ uint64_t emit_running_seq(const struct loop *loop)
{
	return atomic_load_explicit(&loop->slot->callback_seq, memory_order_relaxed) + 1;
}

/*
 * The native frames of a call that is reported next. Out of line, so that its stack is given back
 * before more is needed: it is the largest of all that runs here.
 */
static _cold_ void emit_native(const struct loop *loop, uint64_t start,
			       const struct stack_buf *python)
{
	uint32_t size_bytes = (uint32_t)sizeof(struct record_native);
	struct record_native *record;
	struct native_stack native;

	native_walk(&native);
	emit_stack_loss(&native.stack);
	size_bytes += native.stack.n_frames * (uint32_t)sizeof(native.frames[0]);
	record = emit_record(size_bytes, RECORD_NATIVE, 0);
	if (!record)
		return;
	record->slot = loop->slot_index;
	record->reserved = 0;
	record->start = start;
	memcpy(record->entries, python->entries, sizeof(record->entries));
	record->stack = native.stack;
	memcpy(record + 1, native.frames, native.stack.n_frames * sizeof(native.frames[0]));
	ring_commit(&record->head, size_bytes);
}

/*
 * The task of what runs now, written down; and the stack. Out of line for the same reason. Return:
 * false when it is an import that runs, and no call is to be told of.
 */
static _cold_ bool own_stack_and_task(const struct loop *loop, struct stack_buf *ret_stack)
{
	const struct mem *mem = own_mem(loop->tstate_raddr);
	struct pyframe_stack found;
	struct task_note note;

	own_stack(loop->tstate_raddr, mem, &found, ret_stack);
	if (exempt_is_import(ret_stack))
		return false;
	task_note_take(loop, mem, &found, &note);
	task_note_emit(loop, emit_turn_seq(loop), emit_running_seq(loop), &note, ret_stack);
	return true;
}

/*
 * The stack of a call that began at start, with what else is told of a call before its record.
 * Return: false when it was part of an import.
 */
_hidden_ bool emit_call_stack(const struct loop *loop, uint64_t start, struct stack_buf *ret_stack)
{
	if (!own_stack_and_task(loop, ret_stack))
		return false;
	if (watch.is_native)
		emit_native(loop, start, ret_stack);
	return true;
}

/*
 * A hooked call of this thread has returned after span ticks. Return: false when it was part of an
 * import, and so is none.
 */
_hidden_ bool emit_call(const struct loop *loop, const struct call_about *about, uint64_t span,
			int error)
{
	struct stack_buf stack;
	uint32_t target_str, size_bytes;
	struct record_call *record;

	if (!emit_call_stack(loop, loop->call_start, &stack))
		return false;
	target_str = target_of(about);
	size_bytes = (uint32_t)sizeof(*record) + frames_bytes(&stack.stack);
	record = emit_record(size_bytes, RECORD_CALL, gil_record_flags());
	if (!record)
		return true;
	record->slot = loop->slot_index;
	record->call_str = watch.call_str[about->hook];
	record->turn_seq = emit_turn_seq(loop);
	record->callback_seq = emit_running_seq(loop);
	record->start = loop->call_start;
	record->span = span;
	record->n_calls = 1;
	record->fd = about->fd;
	record->target_str = target_str;
	record->error = error;
	record->stack = stack.stack;
	memcpy(record + 1, stack.frames, frames_bytes(&stack.stack));
	ring_commit(&record->head, size_bytes);
	return true;
}

static void emit_counted(const struct loop *loop, const struct counted_calls *calls, uint32_t n,
			 uint64_t span, const struct stack_buf *stack)
{
	uint32_t size_bytes = (uint32_t)sizeof(struct record_call) + frames_bytes(&stack->stack);
	struct record_call *record =
		emit_record(size_bytes, RECORD_CALL, RECORD_FLAG_STRICT | calls->gil_flags);

	if (!record)
		return;
	record->slot = loop->slot_index;
	record->call_str = watch.call_str[calls->hook];
	record->turn_seq = calls->turn_seq;
	record->callback_seq = calls->callback_seq;
	record->start = calls->start;
	record->span = span;
	record->n_calls = n;
	record->fd = calls->fd;
	record->target_str = calls->target_str;
	record->error = calls->error;
	record->stack = stack->stack;
	memcpy(record + 1, stack->frames, frames_bytes(&stack->stack));
	ring_commit(&record->head, size_bytes);
}

/* The longest by itself, so that its length is known, and the others as one. */
_hidden_ void emit_counted_calls(const struct loop *loop, const struct counted_calls *calls,
				 const struct stack_buf *stack)
{
	emit_counted(loop, calls, 1, calls->max, stack);
	if (calls->n > 1)
		emit_counted(loop, calls, calls->n - 1, calls->sum - calls->max, stack);
}

/* Where and when calls that are told of as one were made. */
struct moment {
	uint64_t turn_seq, callback_seq, start;
};

static void emit_together(struct loop *loop, const struct short_calls *calls,
			  const struct moment *moment, uint16_t flags)
{
	uint32_t size_bytes = (uint32_t)sizeof(struct record_call) + frames_bytes(&calls->stack);
	struct record_call *record;

	if (calls->is_import)
		return;
	record = emit_record(size_bytes, RECORD_CALL, flags | calls->gil_flags);
	loop->callback_reported += calls->sum;
	loop->turn_reported += calls->sum;
	if (!record)
		return;
	record->slot = loop->slot_index;
	record->call_str = watch.call_str[calls->hook];
	record->turn_seq = moment->turn_seq;
	record->callback_seq = moment->callback_seq;
	record->start = moment->start;
	record->span = calls->sum;
	record->n_calls = flags & RECORD_FLAG_SUMMED ? calls->n : 1;
	record->fd = calls->fd;
	record->target_str = calls->target_str;
	record->error = 0;
	record->stack = calls->stack;
	memcpy(record + 1, calls->frames, frames_bytes(&calls->stack));
	ring_commit(&record->head, size_bytes);
}

/* The short calls of the callback that just ended add up to a stall: shown at the largest. */
_hidden_ void emit_short_calls(struct loop *loop)
{
	struct moment moment = {
		.turn_seq = emit_turn_seq(loop),
		.callback_seq =
			atomic_load_explicit(&loop->slot->callback_seq, memory_order_relaxed),
		.start = loop->edge - loop->short_calls.sum,
	};

	emit_together(loop, &loop->short_calls, &moment, RECORD_FLAG_SUMMED);
}

/* A wait of many sleeps: one call. */
_hidden_ void emit_retry(struct loop *loop)
{
	const struct retry *retry = &loop->retry;
	struct moment moment = {
		.turn_seq = retry->turn_seq,
		.callback_seq = retry->callback_seq,
		.start = retry->start,
	};

	emit_together(loop, &retry->calls, &moment, 0);
}

/* Measured by the thread itself, so exact, wherever the interpreter's state has a known size. */
static int64_t gil_wait_ns(uint64_t ticks)
{
	return watch.runtime_bytes ? (int64_t)clock_span_ns(&watch.scale, ticks) : -1;
}

static int64_t gc_ns(uint64_t ticks)
{
	return collection_is_seen() ? (int64_t)clock_span_ns(&watch.scale, ticks) : -1;
}

/* A callback past its limit has ended at now. */
_hidden_ void emit_callback(struct loop *loop, uint64_t now, uint64_t span,
			    const struct callee *callee)
{
	struct scheduling scheduling = scheduling_between(loop, now - span, now);
	struct record_callback *record = emit_record(sizeof(*record), RECORD_CALLBACK, 0);

	if (!record)
		return;
	record->slot = loop->slot_index;
	record->n_calls = loop->callback_calls;
	record->turn_seq = emit_turn_seq(loop);
	record->callback_seq =
		atomic_load_explicit(&loop->slot->callback_seq, memory_order_relaxed);
	record->start = now - span;
	record->span = span;
	record->reported = loop->callback_reported;
	record->cpu_ns = scheduling.cpu_ns;
	record->run_queue_ns = scheduling.run_queue_ns;
	record->frozen_ns = scheduling.frozen_ns;
	record->file_str = callee ? callee->file_str : ARENA_NONE;
	record->function_str = callee ? callee->function_str : ARENA_NONE;
	record->first_line = callee ? callee->first_line : 0;
	record->reserved = 0;
	record->gil_wait_ns = gil_wait_ns(loop->callback_gil_wait);
	record->gc_ns = gc_ns(loop->callback_collection);
	ring_commit(&record->head, sizeof(*record));
}

/* A turn past its limit has ended at now. */
_hidden_ void emit_turn(struct loop *loop, uint64_t now, uint64_t span)
{
	struct scheduling scheduling = scheduling_between(loop, now - span, now);
	struct record_turn *record = emit_record(sizeof(*record), RECORD_TURN, 0);

	if (!record)
		return;
	record->slot = loop->slot_index;
	record->n_callbacks = loop_turn_callbacks(loop);
	record->turn_seq = emit_turn_seq(loop);
	record->start = now - span;
	record->span = span;
	record->reported = loop->turn_reported;
	record->cpu_ns = scheduling.cpu_ns;
	record->run_queue_ns = scheduling.run_queue_ns;
	record->frozen_ns = scheduling.frozen_ns;
	record->n_slow = loop->turn_slow;
	record->file_str = loop->turn_max_file_str;
	record->function_str = loop->turn_max_function_str;
	record->first_line = loop->turn_max_first_line;
	record->max_callback = loop->turn_max;
	record->gil_wait_ns = gil_wait_ns(loop->turn_gil_wait);
	record->gc_ns = gc_ns(loop->turn_collection);
	ring_commit(&record->head, sizeof(*record));
}

/* The loop's thread collected garbage, or waited for the GIL, and goes on. */
_hidden_ void emit_pause(const struct loop *loop, const struct pause *pause)
{
	struct record_pause *record = emit_record(sizeof(*record), RECORD_PAUSE, 0);

	if (!record)
		return;
	record->slot = loop->slot_index;
	record->why = pause->why;
	record->start = pause->start;
	record->span = pause->span;
	record->n = pause->n;
	record->reserved = 0;
	ring_commit(&record->head, sizeof(*record));
}

static uint32_t stack_bytes(const struct stack_buf *stack)
{
	return stack ? frames_bytes(&stack->stack) : 0;
}

/* Something of Python went wrong, on this thread, now. */
_hidden_ void emit_pitfall(const struct pitfall_facts *facts)
{
	uint32_t bytes = stack_bytes(facts->stack), origin_bytes = stack_bytes(facts->origin);
	struct record_pitfall *record;
	uint32_t size_bytes;

	/* The stack says whose fault it is; where both do not fit, it is the one to keep. */
	if (sizeof(*record) + bytes + origin_bytes > RECORD_MAX_BYTES)
		origin_bytes = 0;
	size_bytes = (uint32_t)sizeof(*record) + bytes + origin_bytes;
	record = emit_record(size_bytes, RECORD_PITFALL, facts->is_more ? RECORD_FLAG_MORE : 0);
	if (!record)
		return;
	record->slot = thread_loop ? thread_loop->slot_index : UINT32_MAX;
	record->pitfall = facts->pitfall;
	record->start = facts->start;
	record->span = facts->span;
	record->n = MAX(facts->n, 1u);
	record->name_str = facts->name_str;
	record->detail_str = facts->detail_str;
	record->task_str = facts->task_str;
	record->coro_str = facts->coro_str;
	record->file_str = facts->code.file_str;
	record->first_line = facts->code.first_line;
	record->n_origin = origin_bytes / (uint32_t)sizeof(struct record_frame);
	record->stack = facts->stack ? facts->stack->stack : (struct record_stack){0};
	if (bytes)
		memcpy(record + 1, facts->stack->frames, bytes);
	if (origin_bytes)
		memcpy((char *)(record + 1) + bytes, facts->origin->frames, origin_bytes);
	ring_commit(&record->head, size_bytes);
}
