/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pitfall: what went wrong at one moment, as an incident
 *
 * The shim has seen it, so there is nothing to measure: only whether it is wanted, whose fault it
 * is and what to call it. The line to blame is the innermost of the user's own on the stack; where
 * there is no stack (the collector dropped it, no code of the program ran) it is where the thing
 * that went wrong was made, and at the least where its code stands.
 */
#include <stdlib.h>

#include "exempt.h"
#include "pitfall.h"
#include "wire/check.h"

static bool kind_of_pitfall(uint32_t pitfall, enum finding_kind *ret_kind)
{
	static const enum finding_kind kinds[_PITFALL_N] = {
		[PITFALL_NEVER_AWAITED] = KIND_NEVER_AWAITED,
		[PITFALL_EXCEPTION_NEVER_RETRIEVED] = KIND_EXCEPTION_NEVER_RETRIEVED,
		[PITFALL_TASK_DESTROYED_PENDING] = KIND_TASK_DESTROYED_PENDING,
		[PITFALL_TASK_NEVER_FINISHED] = KIND_TASK_NEVER_FINISHED,
		[PITFALL_UNREFERENCED_TASK] = KIND_UNREFERENCED_TASK,
		[PITFALL_GATHER_SIBLING_LOST] = KIND_GATHER_SIBLING_LOST,
		[PITFALL_GATHER_EXCEPTIONS_IGNORED] = KIND_GATHER_EXCEPTIONS_IGNORED,
		[PITFALL_SWALLOWED_CANCELLATION] = KIND_SWALLOWED_CANCELLATION,
		[PITFALL_IGNORED_CANCELLATION] = KIND_IGNORED_CANCELLATION,
		[PITFALL_SWALLOWED_EXCEPTION] = KIND_SWALLOWED_EXCEPTION,
		[PITFALL_UNHANDLED_TIMEOUT] = KIND_UNHANDLED_TIMEOUT,
		[PITFALL_TASK_FLOOD] = KIND_TASK_FLOOD,
		[PITFALL_NESTED_RUN] = KIND_NESTED_RUN,
		[PITFALL_RESULT_BEFORE_DONE] = KIND_RESULT_BEFORE_DONE,
		[PITFALL_TASKGROUP_MISUSE] = KIND_TASKGROUP_MISUSE,
		[PITFALL_UNHANDLED_GROUP] = KIND_UNHANDLED_GROUP,
		[PITFALL_UNCLOSED_RESOURCE] = KIND_UNCLOSED_RESOURCE,
	};

	if (!pitfall || pitfall >= _PITFALL_N)
		return false;
	*ret_kind = kinds[pitfall];
	return true;
}

static struct stack *origin_stack(const struct watch *watch, const struct record_pitfall *record)
{
	const struct record_frame *frames = record_origin(record);
	struct stack *origin;

	if (!record->n_origin)
		return NULL;
	origin = calloc(1, sizeof(*origin) + record->n_origin * sizeof(origin->frames[0]));
	if (!origin)
		return NULL;
	origin->count = 1;
	origin->n_frames = record->n_origin;
	for (uint32_t i = 0; i < origin->n_frames; i++)
		watch_frame(watch, &frames[i], &origin->frames[i]);
	return origin;
}

static bool has_own(const struct stack *stack)
{
	for (uint32_t i = 0; stack && i < stack->n_frames; i++)
		if (stack->frames[i].is_own)
			return true;
	return false;
}

static bool is_exempt(const struct watch *watch, enum finding_kind kind,
		      const struct pitfall_incident *pitfall, bool has_detail)
{
	/* Tasks that live at once: a library's server has one for each of its connections. */
	if (kind == KIND_TASK_FLOOD && has_detail)
		return !has_own(pitfall->stack);
	/* A library's own except clauses are its own affair. */
	if (kind == KIND_SWALLOWED_EXCEPTION)
		return !pitfall->stack || !pitfall->stack->n_frames ||
		       !pitfall->stack->frames[0].is_own;
	return (kind == KIND_SWALLOWED_CANCELLATION || kind == KIND_IGNORED_CANCELLATION) &&
	       exempt_cancellation(pitfall->stack, pitfall->origin,
				   watch->region.header->python_hex);
}

/* The task it concerns; NULL: none, or not known. */
static struct task *task_of(const struct watch *watch, const struct record_pitfall *record)
{
	struct task *task;

	if (!record->task_str && !record->coro_str)
		return NULL;
	task = task_new(0);
	if (!task)
		return NULL;
	task->name = watch_string(watch, record->task_str);
	task->coro = watch_string(watch, record->coro_str);
	return task;
}

/* What is left open is mended where it was opened: where it was dropped may be anywhere. */
static void pitfall_blame(enum finding_kind kind, struct pitfall_incident *pitfall)
{
	bool is_open = kind == KIND_UNCLOSED_RESOURCE && has_own(pitfall->origin);

	site_of_stack(is_open ? pitfall->origin : pitfall->stack, &pitfall->site);
	if (!pitfall->site.n_chain && pitfall->origin)
		site_of_stack(pitfall->origin, &pitfall->site);
	if (!pitfall->site.n_chain && (pitfall->code.file || pitfall->code.function))
		pitfall->site.culprit = pitfall->code;
}

/*
 * Of a checked record. ret_pitfall is set in any case, and the caller's to deinit.
 *
 * Return: VERDICT_FINDING or VERDICT_NOTHING, also for a pitfall that is none.
 */
enum verdict pitfall_judge(const struct watch *watch, const struct limits *limits,
			   const struct record_pitfall *record, const struct pitfall_moment *moment,
			   struct pitfall_incident *ret_pitfall)
{
	struct record_frame code = {
		.file_str = record->file_str,
		.function_str = record->name_str,
		.line = record->first_line,
	};
	enum finding_kind kind;

	*ret_pitfall = (struct pitfall_incident){0};
	if (!kind_of_pitfall(record->pitfall, &kind) ||
	    judge_pitfall(limits, kind, moment->at_ns, moment->span_ns, &ret_pitfall->judgement) !=
		    VERDICT_FINDING)
		return VERDICT_NOTHING;
	watch_frame(watch, &code, &ret_pitfall->code);
	ret_pitfall->stack = watch_stack(watch, &record->head);
	ret_pitfall->origin = origin_stack(watch, record);
	ret_pitfall->task = task_of(watch, record);
	if (is_exempt(watch, kind, ret_pitfall, record->detail_str))
		return VERDICT_NOTHING;
	pitfall_blame(kind, ret_pitfall);
	ret_pitfall->incident = (struct incident){
		.judgement = &ret_pitfall->judgement,
		.site = &ret_pitfall->site,
		.name = ret_pitfall->code.function,
		.name_file = ret_pitfall->code.module,
		.detail = watch_string(watch, record->detail_str),
		.n = MAX(record->n, 1u),
		.is_more = record->head.flags & RECORD_FLAG_MORE,
		.origin = ret_pitfall->origin,
		.task = ret_pitfall->task,
		.call = {.fd = -1, .gil_held = -1},
		.stacks = &ret_pitfall->stack,
		.n_stacks = ret_pitfall->stack && ret_pitfall->stack->n_frames,
	};
	return VERDICT_FINDING;
}

void pitfall_deinit(struct pitfall_incident *pitfall)
{
	free(pitfall->stack);
	free(pitfall->origin);
	free(pitfall->task);
	*pitfall = (struct pitfall_incident){0};
}
