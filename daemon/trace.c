/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trace: native frames of what computes too long
 *
 * A thread that computes tells nothing of itself until it is done. When the watchdog has sampled it
 * past its limit, its loop is stopped from outside for a moment (tracer.c, still.c) and looked at:
 * native and Python frames of the same moment, merged. That moment falls into a callback by the
 * clock that both sides share, and when the callback is judged, the merged stack stands in for the
 * sample that it was asked for after.
 *
 * Of a stall the first samples are followed up, and then at twice the distance each: a stall of an
 * hour costs its thread some ten stops.
 */
#include <stdlib.h>
#include <string.h>

#include "drain.h"
#include "merge.h"
#include "proc.h"
#include "trace.h"
#include "tracer.h"

#define TRACE_N_FIRST 3
/* What a stop of a thread that has to wait for a CPU may take; longer nobody waits for it. */
#define TRACE_MAX_WAIT_NS (20 * NSEC_PER_MSEC)

void trace_deinit(struct trace_table *table)
{
	if (table->tracer)
		tracer_forget(table->tracer, table);
	for (uint32_t i = 0; i < table->n_stacks; i++)
		free(table->stacks[i].stack);
	table->n_stacks = 0;
}

static bool is_worth_a_stop(struct trace_table *table, const struct record_sample *sample)
{
	struct trace_stall *stall = &table->stalls[sample->slot];

	if (stall->turn_seq != sample->turn_seq || stall->callback_seq != sample->callback_seq)
		*stall = (struct trace_stall){sample->turn_seq, sample->callback_seq, 0};
	stall->n_samples++;
	return stall->n_samples <= TRACE_N_FIRST || !(stall->n_samples & (stall->n_samples - 1));
}

static bool trace_has_pyframe(struct watch *watch)
{
	const struct region_header *header = watch->region.header;
	struct mem mem = {.kind = MEM_REMOTE, .pid = watch->pid};
	struct trace_table *table = &watch->trace;

	if (!table->has_pyframe)
		table->has_pyframe = header->runtime_raddr &&
				     !pyframe_init(&mem, header->runtime_raddr, header->python_hex,
						   header->code_type_raddr, &table->pyframe);
	return table->has_pyframe;
}

static void trace_refuse(struct watch *watch)
{
	watch->trace.is_off = true;
	watch->lost.n[LOST_TRACE_REFUSED]++;
}

/* A callback was sampled past its limit: look at it from outside, if it is worth it. */
void trace_sample(struct drain *drain, struct watch *watch, const struct record_sample *sample)
{
	const struct slot *slot = region_slot(&watch->region, sample->slot);
	struct trace_table *table = &watch->trace;
	struct still_target target = {
		.pid = watch->pid,
		.clock_kind = watch->region.header->clock_kind,
		.tstate_raddr = atomic_load(&slot->tstate_raddr),
	};

	if (!drain->symbols || !drain->tracer || !watch->is_mapped || watch->pid <= 0 ||
	    watch->pidfd < 0 || !(watch->region.header->switches & REGION_SWITCH_NATIVE) ||
	    table->is_off || !target.tstate_raddr || sample->what != RECORD_WHAT_CALLBACK ||
	    atomic_load(&slot->turn_seq) != sample->turn_seq || !is_worth_a_stop(table, sample))
		return;
	target.tid = proc_find_thread(watch->pid, slot->tid);
	if (target.tid <= 0 || proc_has_ended(watch->pidfd))
		return;
	if (!trace_has_pyframe(watch) || (!*drain->tracer && tracer_new(drain->tracer))) {
		trace_refuse(watch);
		return;
	}
	target.pyframe = table->pyframe;
	table->tracer = *drain->tracer;
	tracer_ask(table->tracer, table, sample->slot, &target);
}

static bool is_whole_or_deep(enum pyframe_end end)
{
	return end == PYFRAME_END_COMPLETE || end == PYFRAME_END_DEPTH;
}

static struct stack *python_stack(const struct watch *watch, const struct still *still)
{
	uint32_t n = still->python.n_frames;
	struct stack *stack = calloc(1, sizeof(*stack) + n * sizeof(stack->frames[0]));

	if (!stack)
		return NULL;
	stack->count = 1;
	stack->n_frames = n;
	for (uint32_t i = 0; i < n; i++)
		watch_frame_named(watch, still->names[i].file, still->names[i].function,
				  still->names[i].line, &stack->frames[i]);
	return stack;
}

static int trace_merge(struct drain *drain, const struct watch *watch, const struct still *still,
		       const struct stack *python, struct stack **ret_stack)
{
	struct symbol natives[STILL_MAX_FRAMES];
	struct symbol_view view = native_view(watch);
	enum pyframe_end end = still->frames_end;
	uint32_t n = still->n_frames;
	struct merge merge = {
		.python = python,
		.entries = still->python.entries,
		.natives = natives,
		.n_natives = n,
		.is_python_cut = still->python.end == PYFRAME_END_DEPTH,
		.is_native_cut = end == PYFRAME_END_DEPTH,
	};

	if (!is_whole_or_deep(still->python.end) || !is_whole_or_deep(end))
		return MERGE_E_COUNT;
	for (uint32_t i = 0; i < n; i++)
		symbols_find(drain->symbols, &view, still->frames[i].module,
			     still->frames[i].offset, &natives[i]);
	return merge_stacks(&merge, ret_stack);
}

/* The stack becomes the table's. */
void trace_keep(struct trace_table *table, uint32_t slot, uint64_t ticks, struct stack *stack)
{
	if (table->n_stacks == TRACE_MAX_STACKS) {
		free(table->stacks[0].stack);
		memmove(table->stacks, table->stacks + 1,
			--table->n_stacks * sizeof(*table->stacks));
	}
	table->stacks[table->n_stacks++] = (struct trace_stack){slot, ticks, stack};
}

static void trace_take(struct drain *drain, struct watch *watch, const struct tracer_job *job)
{
	struct named_stack head = {.slot = job->slot, .ticks = job->still ? job->still->ticks : 0};
	static const struct stack unmerged = {0};
	struct stack *python, *stack = NULL;

	if (job->result == STILL_E_REFUSED && !watch->trace.is_off)
		trace_refuse(watch);
	/* One that waits, is gone or was slow keeps the stack that the watchdog took. */
	if (job->result)
		return;
	python = python_stack(watch, job->still);
	if (!python)
		return;
	if (trace_merge(drain, watch, job->still, python, &stack))
		watch->lost.n[LOST_STACK_UNMERGED]++;
	if (watch->tape)
		tape_add_stack(watch->tape, &head, stack ? stack : &unmerged);
	if (stack)
		trace_keep(&watch->trace, job->slot, job->still->ticks, stack);
	free(python);
}

/* Take what has been seen since. What was asked for and is not done is waited for. */
void trace_collect(struct drain *drain, struct watch *watch, nsec_t wait_ns)
{
	struct tracer_job job;

	if (!watch->trace.tracer || !drain->symbols)
		return;
	while (tracer_take(watch->trace.tracer, &watch->trace, wait_ns, &job)) {
		trace_take(drain, watch, &job);
		still_free(job.still);
	}
}

static void trace_put(const struct trace_stack *seen, const struct record_sample *const *samples,
		      struct stack **stacks, uint32_t n)
{
	struct stack *copy;

	while (n && samples[n - 1]->head.ticks > seen->ticks)
		n--;
	if (!n)
		return;
	copy = stack_copy(seen->stack);
	if (!copy)
		return;
	free(stacks[n - 1]);
	stacks[n - 1] = copy;
}

/* Something has been judged: put what was seen of it in the place of the samples before. */
void trace_apply(struct drain *drain, struct watch *watch, const struct stall_query *query,
		 const struct record_sample *const *samples, struct stack **stacks, uint32_t n)
{
	struct trace_table *table = &watch->trace;
	uint32_t n_left = 0;

	trace_collect(drain, watch, TRACE_MAX_WAIT_NS);
	for (uint32_t i = 0; i < table->n_stacks; i++) {
		struct trace_stack *seen = &table->stacks[i];

		if (seen->slot != query->slot || seen->ticks > query->to) {
			table->stacks[n_left++] = *seen;
			continue;
		}
		if (seen->ticks >= query->from)
			trace_put(seen, samples, stacks, n);
		free(seen->stack);
	}
	table->n_stacks = n_left;
}

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* Whether a merged stack stands where a Python stack does, line by line. */
static bool is_same_place(const struct stack *merged, const struct stack *python)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < merged->n_frames; i++) {
		const struct frame *a = &merged->frames[i], *b = &python->frames[at];

		if (a->kind == FRAME_NATIVE)
			continue;
		if (at == python->n_frames || a->line != b->line ||
		    !is_same_text(a->file, b->file) || !is_same_text(a->function, b->function))
			return false;
		at++;
	}
	return at == python->n_frames;
}

/*
 * What was seen last, since `from`, of a turn that has not ended and stands at the same Python
 * lines still; NULL: nothing. For free().
 */
struct stack *trace_stuck(const struct trace_table *table, uint32_t slot, uint64_t from,
			  const struct stack *python)
{
	for (uint32_t i = table->n_stacks; i-- > 0;)
		if (table->stacks[i].slot == slot && table->stacks[i].ticks >= from &&
		    is_same_place(table->stacks[i].stack, python))
			return stack_copy(table->stacks[i].stack);
	return NULL;
}
