/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One finding as JSON
 *
 * Fields of kinds that this version does not detect (victims) are
 * there with null, so that a reader written for them need not ask first.
 */
#include "advice.h"
#include "json.h"
#include "stamp.h"

static json_int_t count_of(uint64_t n)
{
	return (json_int_t)MIN(n, (uint64_t)INT64_MAX);
}

static json_t *json_measured(int64_t ns)
{
	return ns < 0 ? json_null() : json_integer(ns);
}

static json_t *json_line(int32_t line)
{
	return line > 0 ? json_integer(line) : json_null();
}

static json_t *json_culprit(const struct frame *frame)
{
	return json_pack("{s:s?, s:o, s:s?, s:s?}", "file", frame->file, "line",
			 json_line(frame->line), "function", frame->function, "module",
			 frame->module);
}

static json_t *json_frame(const struct frame *frame)
{
	return json_pack("{s:s, s:s?, s:o, s:s?, s:s?, s:b}", "kind", frame_kind_name(frame->kind),
			 "file", frame->file, "line", json_line(frame->line), "function",
			 frame->function, "module", frame->module, "own", frame->is_own);
}

/* Return: an empty array for NULL. */
static json_t *json_frames(const struct stack *stack)
{
	json_t *frames = json_array();

	for (uint32_t i = 0; stack && i < stack->n_frames; i++)
		json_array_append_new(frames, json_frame(&stack->frames[i]));
	return frames;
}

static json_t *json_stacks(const struct finding *finding)
{
	json_t *stacks = json_array();

	for (uint32_t i = 0; i < finding->n_stacks; i++) {
		const struct stack *stack = finding->stacks[i];

		json_array_append_new(stacks,
				      json_pack("{s:I, s:o}", "count", count_of(stack->count),
						"frames", json_frames(stack)));
	}
	return stacks;
}

static json_t *json_awaiters(const struct task *task)
{
	json_t *awaiters = json_array();

	for (uint32_t i = 0; i < task->n_awaiters; i++) {
		const struct awaiter *awaiter = &task->awaiters[i];

		json_array_append_new(awaiters,
				      json_pack("{s:s?, s:s?, s:s?, s:o}", "name", awaiter->name,
						"coro", awaiter->coro, "file", awaiter->file,
						"line", json_line(awaiter->line)));
	}
	return awaiters;
}

static json_t *json_task(const struct task *task)
{
	json_t *chain;

	if (!task)
		return json_null();
	chain = json_array();
	for (uint32_t i = 0; i < task->n_chain; i++) {
		const struct frame *frame = &task->chain[i];

		json_array_append_new(chain, json_pack("{s:s?, s:o, s:s?}", "file", frame->file,
						       "line", json_line(frame->line), "function",
						       frame->function));
	}
	return json_pack("{s:s?, s:s?, s:o, s:o}", "name", task->name, "coro", task->coro,
			 "await_chain", chain, "awaited_by", json_awaiters(task));
}

static json_t *json_call(const struct finding *finding)
{
	const struct call *call = &finding->call;

	if (!call->name)
		return json_null();
	return json_pack("{s:s, s:s?, s:o, s:n, s:o}", "name", call->name, "target", call->target,
			 "fd", call->fd < 0 ? json_null() : json_integer(call->fd), "args",
			 "gil_held",
			 call->gil_held < 0 ? json_null() : json_boolean(call->gil_held));
}

static json_t *json_cause(const struct finding *finding)
{
	const struct cause *cause = &finding->cause;

	return json_pack("{s:o, s:n, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "on_cpu_ns",
			 json_measured(cause->on_cpu_ns), "native_ns", "blocked_ns",
			 json_measured(cause->blocked_ns), "uninterruptible_ns",
			 json_measured(cause->uninterruptible_ns), "gil_wait_ns",
			 json_measured(cause->gil_wait_ns), "gc_ns", json_measured(cause->gc_ns),
			 "run_queue_ns", json_measured(cause->run_queue_ns), "page_fault_ns",
			 json_measured(cause->page_fault_ns), "unknown_ns",
			 json_measured(cause->unknown_ns));
}

static json_t *json_pids(const struct finding *finding)
{
	json_t *pids = json_array();

	for (uint32_t i = 0; i < finding->n_pids; i++)
		json_array_append_new(pids, json_integer(finding->pids[i]));
	return pids;
}

static json_t *json_sizes(const struct finding *finding)
{
	char first[STAMP_BYTES], last[STAMP_BYTES];

	return json_pack("{s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:o}", "kind",
			 kind_name(finding->kind), "fingerprint", finding->fingerprint, "severity",
			 severity_name(kind_severity(finding->kind)), "provisional",
			 finding->is_provisional, "count", count_of(finding->count), "total_ns",
			 count_of(finding->total_ns), "max_ns", count_of(finding->max_ns), "p50_ns",
			 count_of(finding->p50_ns), "p99_ns", count_of(finding->p99_ns),
			 "first_seen", stamp_utc(finding->first_seen_at, first), "last_seen",
			 stamp_utc(finding->last_seen_at, last), "pids", json_pids(finding));
}

/* All that were kept, in the order in which they came. */
static json_t *json_tests(const struct finding *finding)
{
	json_t *tests = json_array();

	for (uint32_t i = 0; i < finding->n_tests; i++)
		json_array_append_new(tests, json_string(finding->tests[i]));
	return tests;
}

/* Return: a new reference; NULL without memory. */
json_t *json_finding(const struct finding *finding)
{
	json_t *json = json_sizes(finding);
	char message[ADVICE_BYTES];

	json_object_set_new(json, "culprit", json_culprit(&finding->culprit));
	json_object_set_new(json, "message",
			    json_string(advice_message(finding, message, sizeof(message))));
	json_object_set_new(json, "advice", json_string(advice_text(finding)));
	json_object_set_new(json, "name", finding->name ? json_string(finding->name) : json_null());
	json_object_set_new(json, "detail",
			    finding->detail ? json_string(finding->detail) : json_null());
	json_object_set_new(json, "size", finding->n ? json_integer(finding->n) : json_null());
	json_object_set_new(json, "call", json_call(finding));
	json_object_set_new(json, "cause", json_cause(finding));
	json_object_set_new(json, "victims", json_null());
	json_object_set_new(json, "task", json_task(finding->task));
	json_object_set_new(json, "test",
			    finding->n_tests ? json_string(finding->tests[0]) : json_null());
	json_object_set_new(json, "tests", json_tests(finding));
	json_object_set_new(json, "origin", json_frames(finding->origin));
	json_object_set_new(json, "stacks", json_stacks(finding));
	json_object_set_new(json, "baseline",
			    finding->baseline ? json_string(baseline_state_name(finding->baseline))
					      : json_null());
	json_object_set_new(json, "worse",
			    finding->worse ? json_string(finding->worse) : json_null());
	json_object_set_new(json, "allowed_by",
			    finding->allowed_by ? json_string(finding->allowed_by) : json_null());
	return json;
}
