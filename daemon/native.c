/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native: the native frames of calls
 *
 * A RECORD_NATIVE comes just before the RECORD_CALL of the same slot and start, and is of no use
 * without it: one a slot is kept, and the next one takes its place. Names are looked up only when
 * the call turns out to be a finding. Where the two stacks do not fit, the Python frames stay as
 * they are and it is counted.
 *
 * In a recording there are offsets into files of whatever machine it was made on; nothing says that
 * ours are the same, so they are not looked up. A daemon that recorded it has put the stack before
 * the call as it had it (named.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "merge.h"
#include "native.h"
#include "pyframe/pyframe.h"
#include "watch.h"

/* The C library as a frame of a hooked call shows it, whose own frame is that of the shim. */
#define NATIVE_LIBC "libc.so.6"

void native_deinit(struct native_table *table)
{
	for (unsigned int i = 0; i < REGION_N_SLOTS; i++)
		free(table->kept[i]);
	memset(table, 0, sizeof(*table));
}

/* Keep a copy of a checked record; its slot is in range. */
void native_keep(struct native_table *table, const struct record_native *native)
{
	struct record_native *copy = malloc(native->head.size);

	if (copy)
		memcpy(copy, native, native->head.size);
	free(table->kept[native->slot]);
	table->kept[native->slot] = copy;
}

/* In which file system the modules of a process are. */
struct symbol_view native_view(const struct watch *watch)
{
	return (struct symbol_view){
		.pid = watch->pid,
		.has_our_root = watch->has_our_root,
		.root_fd = watch->root_fd,
		.id = watch->id,
		.started_at = watch->started_at,
	};
}

static uint32_t native_names(struct symbols *symbols, const struct watch *watch,
			     const struct record_native *native, struct symbol *ret_symbols)
{
	const struct record_native_frame *frames = (const struct record_native_frame *)(native + 1);
	struct symbol_view view = native_view(watch);

	for (uint32_t i = 0; i < native->stack.n_frames; i++)
		symbols_find(symbols, &view, watch_string(watch, frames[i].module_str),
			     frames[i].offset, &ret_symbols[i]);
	return native->stack.n_frames;
}

static bool is_whole_or_deep(uint32_t end)
{
	return end == PYFRAME_END_COMPLETE || end == PYFRAME_END_DEPTH;
}

static int native_merge(struct symbols *symbols, const struct watch *watch,
			const struct record_call *call, const struct record_native *native,
			const struct stack *python, struct stack **ret_stack)
{
	struct symbol names[RECORD_MAX_FRAMES];
	struct merge merge = {
		.python = python,
		.entries = native->entries,
		.natives = names,
		.n_natives = native_names(symbols, watch, native, names),
		.is_python_cut = call->stack.end == PYFRAME_END_DEPTH,
		.is_native_cut = native->stack.end == PYFRAME_END_DEPTH,
		/* From outside, the call's own frame is there. */
		.call = watch->region.header->via == REGION_VIA_BPF
				? NULL
				: watch_string(watch, call->call_str),
		.libc = pool_keep_text(names_pool(watch->names), NATIVE_LIBC),
	};

	if (!is_whole_or_deep(call->stack.end) || !is_whole_or_deep(native->stack.end))
		return MERGE_E_COUNT;
	return merge_stacks(&merge, ret_stack);
}

/* What the daemon that recorded the call made of it. Return: false when it made nothing of it. */
static bool native_join_named(struct watch *watch, const struct record_call *call,
			      struct stack **stack)
{
	struct stack *named = named_take(&watch->named, call->slot, call->start);

	if (!named)
		return false;
	if (!named->n_frames) {
		free(named);
		return true;
	}
	free(*stack);
	*stack = named;
	return true;
}

static void native_record(struct watch *watch, const struct record_call *call,
			  const struct stack *stack)
{
	struct named_stack head = {.slot = call->slot, .is_call = 1, .ticks = call->start};

	if (watch->tape)
		tape_add_stack(watch->tape, &head, stack);
}

/*
 * Put the native frames of a call into its stack, where they are there and fit. symbols NULL: they
 * were not asked for.
 */
void native_join(struct symbols *symbols, struct watch *watch, const struct record_call *call,
		 struct stack **stack)
{
	const struct record_native *native = watch->natives.kept[call->slot];
	static const struct stack unmerged = {0};
	struct stack *merged;

	if (native_join_named(watch, call, stack))
		return;
	if (!native || native->start != call->start || !*stack)
		return;
	if (!symbols || !watch->is_mapped) {
		watch->lost.n[LOST_NATIVE_OFF]++;
		return;
	}
	if (native_merge(symbols, watch, call, native, *stack, &merged)) {
		watch->lost.n[LOST_STACK_UNMERGED]++;
		native_record(watch, call, &unmerged);
		return;
	}
	native_record(watch, call, merged);
	free(*stack);
	*stack = merged;
}
