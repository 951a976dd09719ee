/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load: a report read back from its JSON
 *
 * A daemon answers with JSON, and the command shows it as text or holds gates against it. A field
 * that is missing or of another type reads as not known, so a report of a later version that only
 * adds fields can be read; another schema is refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "load.h"
#include "place.h"
#include "stamp.h"
#include "wire/region.h"

/* Far above what a daemon keeps; a report that claims more is not one of ours. */
#define LOAD_MAX_ITEMS 1048576

struct load {
	struct pool *pool;
	struct report *report;
};

static const char *load_text(struct load *load, json_t *json, const char *key)
{
	json_t *value = json_object_get(json, key);

	return json_is_string(value)
		       ? pool_keep(load->pool, json_string_value(value), json_string_length(value))
		       : NULL;
}

static int64_t load_integer(json_t *json, const char *key, int64_t otherwise)
{
	json_t *value = json_object_get(json, key);

	return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

static uint64_t load_count(json_t *json, const char *key)
{
	return (uint64_t)MAX(load_integer(json, key, 0), (int64_t)0);
}

static uint64_t load_stamp(json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));
	uint64_t at = 0;

	if (text)
		stamp_parse(text, &at);
	return at;
}

static void load_losses(json_t *json, struct losses *losses)
{
	for (unsigned int i = 0; i < _LOST_N; i++)
		losses->n[i] = load_count(json, lost_name((enum lost)i));
}

static int load_figure(json_t *json, struct figure *figure)
{
	json_t *buckets = json_object_get(json, "buckets"), *bucket;
	size_t n = MIN(json_array_size(buckets), (size_t)HIST_N_BUCKETS), i;

	figure->count = load_count(json, "count");
	figure->p50_ns = load_count(json, "p50_ns");
	figure->p90_ns = load_count(json, "p90_ns");
	figure->p99_ns = load_count(json, "p99_ns");
	figure->p999_ns = load_count(json, "p999_ns");
	figure->max_ns = load_count(json, "max_ns");
	figure->buckets = calloc(MAX(n, (size_t)1), sizeof(*figure->buckets));
	if (!figure->buckets)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		bucket = json_array_get(buckets, i);
		figure->buckets[i].upper_ns = (nsec_t)json_integer_value(json_array_get(bucket, 0));
		figure->buckets[i].n = (uint64_t)json_integer_value(json_array_get(bucket, 1));
	}
	figure->n_buckets = (uint32_t)n;
	return 0;
}

static int load_loop(struct load *load, json_t *json, struct loop *loop)
{
	int r;

	loop->pid = (int32_t)load_integer(json, "pid", 0);
	loop->tid = (int32_t)load_integer(json, "tid", 0);
	loop->started_at = load_stamp(json, "process_started");
	loop->thread = load_text(load, json, "thread");
	loop->framework = load_text(load, json, "framework");
	if (!loop->framework)
		loop->framework = "other";
	loop->turns = load_count(json, "turns");
	loop->callbacks = load_count(json, "callbacks");
	loop->busy_ns = load_count(json, "busy_ns");
	loop->idle_ns = load_count(json, "idle_ns");
	r = load_figure(json_object_get(json, "turn"), &loop->turn);
	if (!r)
		r = load_figure(json_object_get(json, "callback"), &loop->callback);
	if (!r)
		r = load_figure(json_object_get(json, "lag"), &loop->lag);
	/* Only of a warm-up nothing is kept. */
	loop->is_warming = loop->turns && !loop->turn.count && !loop->busy_ns && !loop->idle_ns;
	return r;
}

static uint32_t load_detectors(json_t *json)
{
	uint32_t detectors = 0;
	size_t i;
	json_t *value;

	json_array_foreach(json, i, value) {
		for (unsigned int k = 0; k < DETECTOR_N; k++)
			if (json_is_string(value) &&
			    !strcmp(json_string_value(value), detector_name(k)))
				detectors |= 1u << k;
	}
	return detectors;
}

static void load_exit(json_t *json, struct process *process)
{
	if (!json_is_object(json))
		return;
	process->exit_how = EXIT_UNKNOWN;
	if (json_is_integer(json_object_get(json, "signal"))) {
		process->exit_how = EXIT_SIGNAL;
		process->exit_value = (int32_t)load_integer(json, "signal", 0);
	}
	if (json_is_integer(json_object_get(json, "status"))) {
		process->exit_how = EXIT_STATUS;
		process->exit_value = (int32_t)load_integer(json, "status", 0);
	}
}

static int load_argv(struct load *load, json_t *json, struct process *process)
{
	size_t n = MIN(json_array_size(json), (size_t)LOAD_MAX_ITEMS);

	process->argv = calloc(MAX(n, (size_t)1), sizeof(*process->argv));
	if (!process->argv)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		process->argv[i] =
			pool_keep_text(load->pool, json_string_value(json_array_get(json, i)));
	process->n_argv = (uint32_t)n;
	return 0;
}

static int load_process(struct load *load, json_t *json, struct process *process)
{
	json_t *python = json_object_get(json, "python");

	process->pid = (int32_t)load_integer(json, "pid", 0);
	process->ppid = (int32_t)load_integer(json, "ppid", 0);
	process->started_at = load_stamp(json, "started");
	process->service = load_text(load, json, "service");
	process->version = load_text(load, python, "version");
	process->implementation = load_text(load, python, "implementation");
	process->build = load_text(load, python, "build");
	process->via = load_text(load, json, "via");
	if (!process->via)
		process->via = "preload";
	process->complaint = load_text(load, json, "complaint");
	process->detectors = load_detectors(json_object_get(json, "detectors"));
	process->n_descheduled = load_count(json_object_get(json, "not_blamed"), "descheduled");
	process->n_gil = load_count(json_object_get(json, "not_blamed"), "gil");
	load_exit(json_object_get(json, "exit"), process);
	load_losses(json_object_get(json, "lost"), &process->lost);
	return load_argv(load, json_object_get(json, "cmdline"), process);
}

/* Whose code it is was decided by who knew more than the path says; older reports do not tell. */
static void load_frame_kind(json_t *json, struct frame *frame)
{
	const char *kind = json_string_value(json_object_get(json, "kind"));
	json_t *own = json_object_get(json, "own");

	for (unsigned int i = FRAME_PYTHON; kind && i <= FRAME_KERNEL; i++)
		if (!strcmp(kind, frame_kind_name((enum frame_kind)i)))
			frame->kind = (enum frame_kind)i;
	frame->is_own = json_is_boolean(own)
				? json_is_true(own)
				: frame->kind == FRAME_PYTHON && place_of(frame->file) == PLACE_OWN;
}

static void load_frame(struct load *load, json_t *json, struct frame *frame)
{
	frame->file = load_text(load, json, "file");
	frame->function = load_text(load, json, "function");
	frame->module = load_text(load, json, "module");
	frame->line = (int32_t)load_integer(json, "line", 0);
	load_frame_kind(json, frame);
}

/* Return: for free(); NULL without memory. */
static struct stack *load_frames(struct load *load, json_t *frames, uint64_t count)
{
	size_t n = MIN(json_array_size(frames), (size_t)LOAD_MAX_ITEMS);
	struct stack *stack = calloc(1, sizeof(*stack) + n * sizeof(stack->frames[0]));

	if (!stack)
		return NULL;
	stack->count = count;
	stack->n_frames = (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		load_frame(load, json_array_get(frames, i), &stack->frames[i]);
	return stack;
}

static int load_stack(struct load *load, json_t *json, struct finding *finding)
{
	struct stack *stack =
		load_frames(load, json_object_get(json, "frames"), load_count(json, "count"));

	if (!stack)
		return -ENOMEM;
	finding->stacks[finding->n_stacks++] = stack;
	return 0;
}

static void load_awaiters(struct load *load, json_t *json, struct task *task)
{
	size_t i;
	json_t *value;

	json_array_foreach(json, i, value) {
		struct awaiter *awaiter;

		if (task->n_awaiters == MODEL_MAX_AWAITERS)
			return;
		awaiter = &task->awaiters[task->n_awaiters++];
		awaiter->name = load_text(load, value, "name");
		awaiter->coro = load_text(load, value, "coro");
		awaiter->file = load_text(load, value, "file");
		awaiter->line = (int32_t)load_integer(value, "line", 0);
	}
}

static int load_task(struct load *load, json_t *json, struct finding *finding)
{
	json_t *chain = json_object_get(json, "await_chain");
	size_t n = MIN(json_array_size(chain), (size_t)LOAD_MAX_ITEMS);

	if (!json_is_object(json))
		return 0;
	finding->task = task_new((uint32_t)n);
	if (!finding->task)
		return -ENOMEM;
	finding->task->name = load_text(load, json, "name");
	finding->task->coro = load_text(load, json, "coro");
	for (size_t i = 0; i < n; i++)
		load_frame(load, json_array_get(chain, i), &finding->task->chain[i]);
	load_awaiters(load, json_object_get(json, "awaited_by"), finding->task);
	return 0;
}

static void load_call(struct load *load, json_t *json, struct call *call)
{
	json_t *gil_held = json_object_get(json, "gil_held");

	call->name = load_text(load, json, "name");
	call->target = load_text(load, json, "target");
	call->fd = (int32_t)load_integer(json, "fd", -1);
	call->gil_held = json_is_boolean(gil_held) ? json_is_true(gil_held) : -1;
}

static void load_sizes(json_t *json, struct finding *finding)
{
	json_t *cause = json_object_get(json, "cause"), *pid;
	size_t i;

	finding->is_provisional = json_is_true(json_object_get(json, "provisional"));
	finding->count = load_count(json, "count");
	finding->total_ns = load_count(json, "total_ns");
	finding->max_ns = load_count(json, "max_ns");
	finding->p50_ns = load_count(json, "p50_ns");
	finding->p99_ns = load_count(json, "p99_ns");
	finding->first_seen_at = load_stamp(json, "first_seen");
	finding->last_seen_at = load_stamp(json, "last_seen");
	finding->cause.on_cpu_ns = load_integer(cause, "on_cpu_ns", -1);
	finding->cause.run_queue_ns = load_integer(cause, "run_queue_ns", -1);
	finding->cause.unknown_ns = load_integer(cause, "unknown_ns", -1);
	finding->cause.gc_ns = load_integer(cause, "gc_ns", -1);
	finding->cause.gil_wait_ns = load_integer(cause, "gil_wait_ns", -1);
	finding->cause.page_fault_ns = load_integer(cause, "page_fault_ns", -1);
	finding->cause.blocked_ns = load_integer(cause, "blocked_ns", -1);
	finding->cause.uninterruptible_ns = load_integer(cause, "uninterruptible_ns", -1);
	json_array_foreach(json_object_get(json, "pids"), i, pid) {
		if (finding->n_pids < MODEL_MAX_PIDS)
			finding->pids[finding->n_pids++] = (int32_t)json_integer_value(pid);
	}
}

static void load_tests(struct load *load, json_t *json, struct finding *finding)
{
	json_t *test;
	size_t i;

	json_array_foreach(json, i, test) {
		const char *name = pool_keep_text(load->pool, json_string_value(test));

		if (name && finding->n_tests < MODEL_MAX_TESTS)
			finding->tests[finding->n_tests++] = name;
	}
}

static int load_finding(struct load *load, json_t *json, struct finding *finding)
{
	const char *kind = json_string_value(json_object_get(json, "kind"));
	const char *fingerprint = json_string_value(json_object_get(json, "fingerprint"));
	json_t *stack;
	size_t i;
	int r;

	if (!kind || kind_parse(kind, strlen(kind), &finding->kind))
		return -EBADMSG;
	if (fingerprint)
		strncpy(finding->fingerprint, fingerprint, sizeof(finding->fingerprint) - 1);
	load_sizes(json, finding);
	load_frame(load, json_object_get(json, "culprit"), &finding->culprit);
	finding->name = load_text(load, json, "name");
	finding->detail = load_text(load, json, "detail");
	finding->n = (uint32_t)MIN(load_count(json, "size"), (uint64_t)UINT32_MAX);
	if (json_array_size(json_object_get(json, "origin")))
		finding->origin = load_frames(load, json_object_get(json, "origin"), 1);
	finding->allowed_by = load_text(load, json, "allowed_by");
	load_tests(load, json_object_get(json, "tests"), finding);
	load_call(load, json_object_get(json, "call"), &finding->call);
	r = load_task(load, json_object_get(json, "task"), finding);
	json_array_foreach(json_object_get(json, "stacks"), i, stack) {
		if (!r && finding->n_stacks < MODEL_MAX_STACKS)
			r = load_stack(load, stack, finding);
	}
	return r;
}

/* Reports of older versions tell of a loop's process the pid alone. */
static void load_bind(const struct report *report, struct loop *loop)
{
	for (uint32_t i = 0; !loop->started_at && i < report->n_processes; i++)
		if (report->processes[i].pid == loop->pid)
			loop->started_at = report->processes[i].started_at;
}

static int load_watched(struct load *load, json_t *json)
{
	json_t *processes = json_object_get(json, "processes");
	json_t *loops = json_object_get(json, "loops");
	size_t n_processes = MIN(json_array_size(processes), (size_t)LOAD_MAX_ITEMS);
	size_t n_loops = MIN(json_array_size(loops), (size_t)LOAD_MAX_ITEMS);
	struct report *report = load->report;
	int r = 0;

	report->processes = calloc(MAX(n_processes, (size_t)1), sizeof(*report->processes));
	report->loops = calloc(MAX(n_loops, (size_t)1), sizeof(*report->loops));
	if (!report->processes || !report->loops)
		return -ENOMEM;
	for (size_t i = 0; !r && i < n_processes; i++)
		r = load_process(load, json_array_get(processes, i),
				 &report->processes[report->n_processes++]);
	for (size_t i = 0; !r && i < n_loops; i++) {
		struct loop *loop = &report->loops[report->n_loops++];

		r = load_loop(load, json_array_get(loops, i), loop);
		load_bind(report, loop);
	}
	return r;
}

/* Room for one more, by doubling. Return: 0 or -ENOMEM. */
static int load_reserve(struct report *report)
{
	uint32_t n = report->n_findings;
	void *findings;

	/* Full when it is a power of two, or still empty. */
	if (n & (n - 1))
		return 0;
	findings = reallocarray(report->findings, n ? (size_t)n * 2 : 1, sizeof(*report->findings));
	if (!findings)
		return -ENOMEM;
	report->findings = findings;
	return 0;
}

static int load_one_finding(struct load *load, json_t *json)
{
	struct report *report = load->report;
	struct finding *finding;

	if (report->n_findings >= LOAD_MAX_ITEMS)
		return -EFBIG;
	if (load_reserve(report))
		return -ENOMEM;
	finding = calloc(1, sizeof(*finding));
	if (!finding)
		return -ENOMEM;
	report->findings[report->n_findings++] = finding;
	return load_finding(load, json, finding);
}

static int load_findings(struct load *load, json_t *json)
{
	json_t *finding;
	size_t i;
	int r = 0;

	json_array_foreach(json, i, finding) {
		if (!r)
			r = load_one_finding(load, finding);
	}
	return r;
}

static uint32_t load_kinds(json_t *json)
{
	uint32_t kinds = 0;
	json_t *value;
	size_t i;

	json_array_foreach(json, i, value) {
		const char *name = json_string_value(value);
		enum finding_kind kind;

		if (name && !kind_parse(name, strlen(name), &kind))
			kinds |= KIND_MASK(kind);
	}
	return kinds;
}

static void load_options(struct load *load, json_t *json)
{
	struct report_options *options = &load->report->options;

	options->slow_callback_ns = load_count(json, "slow_callback_ns");
	options->long_turn_ns = load_count(json, "long_turn_ns");
	options->blocking_call_ns = load_count(json, "blocking_call_ns");
	options->stuck_ns = load_count(json, "stuck_ns");
	options->cancel_grace_ns = load_count(json, "cancel_grace_ns");
	options->warmup_ns = load_count(json, "warmup_ns");
	options->is_strict = json_is_true(json_object_get(json, "strict"));
	options->is_native = json_is_true(json_object_get(json, "native"));
	options->own_code = load_text(load, json, "own_code");
	options->kinds = load_kinds(json_object_get(json, "detect"));
}

static void load_head(struct load *load, json_t *json)
{
	struct report *report = load->report;

	report->host = load_text(load, json, "host");
	report->tool_version = load_text(load, json_object_get(json, "tool"), "version");
	report->started_at = load_stamp(json, "started");
	report->ended_at = load_stamp(json, "ended");
	load_options(load, json_object_get(json, "options"));
	load_losses(json_object_get(json, "lost"), &report->lost);
}

/*
 * ret_report is empty before; its strings belong to the pool.
 *
 * Return: 0, -EBADMSG for what is no report or status of schema 1, -ENOMEM.
 */
int load_report(json_t *json, struct pool *pool, struct report *ret_report)
{
	const char *schema = json_string_value(json_object_get(json, "schema"));
	_cleanup_(report_deinit) struct report report = REPORT_INIT;
	struct load load = {.pool = pool, .report = &report};
	int r;

	if (!schema || (strcmp(schema, JSON_SCHEMA_REPORT) && strcmp(schema, JSON_SCHEMA_STATUS)))
		return -EBADMSG;
	load_head(&load, json);
	r = load_watched(&load, json);
	if (!r)
		r = load_findings(&load, json_object_get(json, "findings"));
	if (r)
		return r;
	report_sort(&report);
	*ret_report = report;
	report = (struct report)REPORT_INIT;
	return 0;
}

/*
 * A text of JSON with a place in it. The findings of a report are read one by one and let go again,
 * since all of them as JSON values take ten times the room of their text.
 */
struct text {
	const char *at;
	const char *end;
};

static char text_skip(struct text *text)
{
	while (text->at < text->end && strchr(" \t\r\n", *text->at))
		text->at++;
	return text->at < text->end ? *text->at : '\0';
}

/* Past one character. Return: whether it was there. */
static bool text_take(struct text *text, char c)
{
	if (text_skip(text) != c || text->at >= text->end)
		return false;
	text->at++;
	return true;
}

/* The value that begins here. Return: a new reference; NULL for what is none. */
static json_t *text_value(struct text *text)
{
	json_error_t error;
	json_t *value = json_loadb(text->at, (size_t)(text->end - text->at),
				   JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &error);

	if (value)
		text->at += error.position;
	return value;
}

static int text_findings(struct load *load, struct text *text)
{
	int r = 0;

	if (!text_take(text, '['))
		return -EBADMSG;
	if (text_take(text, ']'))
		return 0;
	do {
		json_t *finding = text_value(text);

		r = json_is_object(finding) ? load_one_finding(load, finding) : -EBADMSG;
		json_decref(finding);
	} while (!r && text_take(text, ','));
	return r || text_take(text, ']') ? r : -EBADMSG;
}

/* Everything but the findings goes into head. */
static int text_member(struct load *load, struct text *text, json_t *head)
{
	json_t *key = text_skip(text) == '"' ? text_value(text) : NULL, *value;
	int r = -EBADMSG;

	if (!key || !text_take(text, ':')) {
		json_decref(key);
		return r;
	}
	if (!strcmp(json_string_value(key), "findings")) {
		r = text_findings(load, text);
	} else {
		value = text_value(text);
		if (value)
			r = json_object_set_new(head, json_string_value(key), value);
	}
	json_decref(key);
	return r;
}

static int text_members(struct load *load, struct text *text, json_t *head)
{
	int r;

	if (!text_take(text, '{'))
		return -EBADMSG;
	do
		r = text_member(load, text, head);
	while (!r && text_take(text, ','));
	if (!r && (!text_take(text, '}') || text_skip(text)))
		r = -EBADMSG;
	return r;
}

/*
 * Likewise, from the text of the JSON; a status is no report.
 *
 * Return: 0, -EBADMSG for what is no report of schema 1, -ENOMEM, -EFBIG for one of too many
 * findings.
 */
int load_report_text(const char *bytes, size_t n_bytes, struct pool *pool,
		     struct report *ret_report)
{
	_cleanup_(report_deinit) struct report report = REPORT_INIT;
	struct load load = {.pool = pool, .report = &report};
	struct text text = {.at = bytes, .end = bytes + n_bytes};
	json_t *head = json_object();
	const char *schema;
	int r = head ? text_members(&load, &text, head) : -ENOMEM;

	schema = json_string_value(json_object_get(head, "schema"));
	if (!r && (!schema || strcmp(schema, JSON_SCHEMA_REPORT)))
		r = -EBADMSG;
	if (!r) {
		load_head(&load, head);
		r = load_watched(&load, head);
	}
	json_decref(head);
	if (r)
		return r;
	report_sort(&report);
	*ret_report = report;
	report = (struct report)REPORT_INIT;
	return 0;
}
