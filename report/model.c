/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report as plain structs
 *
 * A report owns its arrays and its findings; strings belong to the pool it was made with, which
 * has to outlive it. Findings are in one order, worst first, whatever format they are written in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

static int text_compare(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

void loop_deinit(struct loop *loop)
{
	figure_deinit(&loop->turn);
	figure_deinit(&loop->callback);
	figure_deinit(&loop->lag);
}

void process_deinit(struct process *process)
{
	free(process->argv);
	process->argv = NULL;
	process->n_argv = 0;
}

/*
 * Whether it is the process of that pid that began to be watched then. Hosts and containers have
 * the same pids; a moment, in the microseconds that a report in JSON tells, they have not.
 */
bool process_is(const struct process *process, int32_t pid, uint64_t started_at)
{
	return process->pid == pid && process->started_at / 1000 == started_at / 1000;
}

bool process_has_loop(const struct process *process, const struct loop *loop)
{
	return process_is(process, loop->pid, loop->started_at);
}

static size_t task_bytes(uint32_t n_chain)
{
	return sizeof(struct task) + n_chain * sizeof(struct frame);
}

/* With an empty chain of n_chain frames. Return: for free(); NULL without memory. */
struct task *task_new(uint32_t n_chain)
{
	struct task *task = calloc(1, task_bytes(n_chain));

	if (task)
		task->n_chain = n_chain;
	return task;
}

/* Return: for free(); NULL without memory. */
struct task *task_copy(const struct task *task)
{
	struct task *copy = malloc(task_bytes(task->n_chain));

	return copy ? memcpy(copy, task, task_bytes(task->n_chain)) : NULL;
}

/* Return: for free(); NULL without memory. */
struct stack *stack_copy(const struct stack *stack)
{
	size_t size_bytes = sizeof(*stack) + stack->n_frames * sizeof(stack->frames[0]);
	struct stack *copy = malloc(size_bytes);

	return copy ? memcpy(copy, stack, size_bytes) : NULL;
}

/* Return: NULL */
struct finding *finding_free(struct finding *finding)
{
	if (!finding)
		return NULL;
	for (uint32_t i = 0; i < finding->n_stacks; i++)
		free(finding->stacks[i]);
	free(finding->origin);
	free(finding->task);
	free(finding);
	return NULL;
}

/* False of no text. */
bool text_ends(const char *text, const char *end)
{
	size_t n = text ? strlen(text) : 0, m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

/* A comprehension's own frame, which only CPython up to 3.11 has, or a generator expression's. */
bool frame_is_comprehension(const struct frame *frame)
{
	return text_ends(frame->function, "<listcomp>") ||
	       text_ends(frame->function, "<dictcomp>") ||
	       text_ends(frame->function, "<setcomp>") || text_ends(frame->function, "<genexpr>");
}

/* The next Python frame inside of a frame, but for comprehensions in its file; NULL for none. */
static const struct frame *python_inside(const struct stack *stack, uint32_t i)
{
	const char *file = stack->frames[i].file;

	while (i-- > 0) {
		const struct frame *frame = &stack->frames[i];

		if (frame->kind == FRAME_PYTHON &&
		    (!frame_is_comprehension(frame) || text_compare(frame->file, file)))
			return frame;
	}
	return NULL;
}

/*
 * The Python frame just inside the culprit: the library function through which the user's code came
 * to wait. NULL when the culprit made the call itself.
 */
const struct frame *finding_inside(const struct finding *finding)
{
	const struct stack *stack = finding->n_stacks ? finding->stacks[0] : NULL;

	for (uint32_t i = 1; stack && i < stack->n_frames; i++)
		if (!text_compare(stack->frames[i].file, finding->culprit.file) &&
		    !text_compare(stack->frames[i].function, finding->culprit.function))
			return python_inside(stack, i);
	return NULL;
}

void report_deinit(struct report *report)
{
	for (uint32_t i = 0; i < report->n_processes; i++)
		process_deinit(&report->processes[i]);
	for (uint32_t i = 0; i < report->n_loops; i++)
		loop_deinit(&report->loops[i]);
	for (uint32_t i = 0; i < report->n_findings; i++)
		finding_free(report->findings[i]);
	free(report->processes);
	free(report->loops);
	free(report->findings);
	free(report->gates);
	free(report->slices);
	free(report->allowances);
	for (uint32_t i = 0; i < report->baseline.n_gone; i++)
		free(report->baseline.gone[i].site);
	free(report->baseline.gone);
	*report = (struct report)REPORT_INIT;
}

static int class_compare(const struct finding *x, const struct finding *y)
{
	if (!x->allowed_by != !y->allowed_by)
		return x->allowed_by ? 1 : -1;
	if ((x->baseline == BASELINE_KNOWN) != (y->baseline == BASELINE_KNOWN))
		return x->baseline == BASELINE_KNOWN ? 1 : -1;
	if ((x->kind == KIND_STUCK) != (y->kind == KIND_STUCK))
		return x->kind == KIND_STUCK ? -1 : 1;
	return 0;
}

/* Nothing in this is measured: two findings that are the same in it are the same. */
static int place_compare(const struct finding *x, const struct finding *y)
{
	int by_file = text_compare(x->culprit.file, y->culprit.file);

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (by_file)
		return by_file;
	if (x->culprit.line != y->culprit.line)
		return x->culprit.line < y->culprit.line ? -1 : 1;
	return strcmp(x->fingerprint, y->fingerprint);
}

/*
 * What breaks a gate, then what stood still and has not come back, then what cost most time, then
 * what happened most often. The rest only makes the order the same in every run.
 */
static int finding_compare(const void *a, const void *b)
{
	const struct finding *x = *(struct finding *const *)a, *y = *(struct finding *const *)b;
	int by_class = class_compare(x, y);

	if (by_class)
		return by_class;
	if (x->total_ns != y->total_ns)
		return x->total_ns > y->total_ns ? -1 : 1;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return place_compare(x, y);
}

/* In strict mode the same program gives the same order, so no time counts: grave ones first. */
static int finding_compare_strict(const void *a, const void *b)
{
	const struct finding *x = *(struct finding *const *)a, *y = *(struct finding *const *)b;
	int by_class = class_compare(x, y);

	if (by_class)
		return by_class;
	if (kind_severity(x->kind) != kind_severity(y->kind))
		return kind_severity(x->kind) < kind_severity(y->kind) ? -1 : 1;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return place_compare(x, y);
}

static int twin_compare(const void *a, const void *b)
{
	const struct finding *x = *(struct finding *const *)a, *y = *(struct finding *const *)b;
	int r = strcmp(x->fingerprint, y->fingerprint);

	return r ? r : (x->culprit.line > y->culprit.line) - (x->culprit.line < y->culprit.line);
}

/* Number the findings of each fingerprint. Return: 0 or -ENOMEM. */
int report_number_twins(const struct report *report)
{
	struct finding **findings = calloc(report->n_findings + 1, sizeof(*findings));

	if (!findings)
		return -ENOMEM;
	for (uint32_t i = 0; i < report->n_findings; i++)
		findings[i] = report->findings[i];
	qsort(findings, report->n_findings, sizeof(*findings), twin_compare);
	for (uint32_t i = 0; i < report->n_findings; i++) {
		bool is_twin = i && !strcmp(findings[i]->fingerprint, findings[i - 1]->fingerprint);

		findings[i]->twin = is_twin ? findings[i - 1]->twin + 1 : 0;
	}
	free(findings);
	return 0;
}

static int loop_compare(const void *a, const void *b)
{
	const struct loop *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if (x->started_at != y->started_at)
		return x->started_at < y->started_at ? -1 : 1;
	return (x->tid > y->tid) - (x->tid < y->tid);
}

/* Bring findings and loops into the order in which they are shown. */
void report_sort(struct report *report)
{
	if (report->n_findings)
		qsort(report->findings, report->n_findings, sizeof(struct finding *),
		      report->options.is_strict ? finding_compare_strict : finding_compare);
	if (report->n_loops)
		qsort(report->loops, report->n_loops, sizeof(struct loop), loop_compare);
}

/* Whether any loop ran, measured or not. */
bool report_has_loops(const struct report *report)
{
	return report->n_loops;
}

/* Whether a process was watched from outside, by probes of the kernel. */
bool report_is_of_kernel(const struct report *report)
{
	for (uint32_t i = 0; i < report->n_processes; i++)
		if (report->processes[i].via && !strcmp(report->processes[i].via, "bpf"))
			return true;
	return false;
}

/* Why no loop at all was measured; NULL when one was. */
const char *report_unmeasured(const struct report *report)
{
	for (uint32_t i = 0; i < report->n_loops; i++)
		if (!report->loops[i].is_warming)
			return NULL;
	if (report->n_loops)
		return "no loop outlived its warm-up";
	/* From outside, others have none that is known. */
	return report_is_of_kernel(report) ? "no loop of asyncio or uvloop was seen"
					   : "no loop ran";
}

/* Why what was not found may have been there all the same; NULL when all was read. */
const char *report_damaged(const struct report *report)
{
	if (report->lost.n[LOST_RECORDING_TRUNCATED])
		return "a recording ends too early";
	if (report->lost.n[LOST_RECORDING_CORRUPT])
		return "a part of a recording makes no sense";
	return NULL;
}

/* Whether lag was measured, which cannot be done from outside of a process. */
bool report_has_lag(const struct report *report)
{
	for (uint32_t i = 0; i < report->n_loops; i++)
		if (report->loops[i].lag.count)
			return true;
	return false;
}

static bool process_has_loops(const struct report *report, const struct process *process)
{
	for (uint32_t i = 0; i < report->n_loops; i++)
		if (process_has_loop(process, &report->loops[i]))
			return true;
	return false;
}

/*
 * Whether none of a kind means that there was none: every process that ran a loop had the kind's
 * detectors live, and one process at least had.
 */
bool report_has_detector(const struct report *report, enum finding_kind kind)
{
	uint32_t detectors = kind_detectors(kind), n_live = 0;

	for (uint32_t i = 0; i < report->n_processes; i++) {
		const struct process *process = &report->processes[i];

		if ((process->detectors & detectors) == detectors)
			n_live++;
		else if (process_has_loops(report, process))
			return false;
	}
	return n_live;
}

/* Whether it breaks gates: nobody allows it, and it is not in the baseline as it is. */
bool finding_counts(const struct finding *finding)
{
	return !finding->allowed_by && !finding->is_accepted && finding->baseline != BASELINE_KNOWN;
}

const char *frame_kind_name(enum frame_kind kind)
{
	static const char *const names[] = {
		[FRAME_PYTHON] = "python",
		[FRAME_NATIVE] = "native",
		[FRAME_KERNEL] = "kernel",
	};

	return names[kind];
}

/* Return: NULL for BASELINE_NONE. */
const char *baseline_state_name(enum baseline_state state)
{
	static const char *const names[] = {
		[BASELINE_NEW] = "new",
		[BASELINE_KNOWN] = "known",
		[BASELINE_WORSE] = "worse",
	};

	return names[state];
}

/* The share of its time that a loop was busy, 0 to 1; 0 when it did not run. */
double loop_utilisation(const struct loop *loop)
{
	double whole_ns = (double)loop->busy_ns + (double)loop->idle_ns;

	return whole_ns > 0 ? (double)loop->busy_ns / whole_ns : 0;
}
