/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Combine
 *
 * Shards of a test run, workers, hosts: each wrote a report, and somebody wants one. Findings of
 * one fingerprint at one line become one, as they would have in one run; processes, loops and what
 * was lost stand side by side. Percentiles of a finding cannot be put together from those of its
 * parts: the larger stands, which is a bound. What not all of them looked for was not looked for.
 *
 * Both reports have their strings in one pool.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "combine.h"
#include "sum.h"

/* The line of a stack that was sampled is another one each time. */
static int32_t exact_line(const struct finding *finding)
{
	bool is_sampled = !finding->call.name &&
			  (finding->kind == KIND_SLOW_CALLBACK || finding->kind == KIND_LONG_TURN ||
			   finding->kind == KIND_STUCK);

	return is_sampled ? 0 : finding->culprit.line;
}

static int finding_compare(const void *a, const void *b)
{
	const struct finding *x = *(struct finding *const *)a, *y = *(struct finding *const *)b;
	int r = strcmp(x->fingerprint, y->fingerprint);

	if (r)
		return r;
	if (x->is_provisional != y->is_provisional)
		return x->is_provisional ? 1 : -1;
	return (exact_line(x) > exact_line(y)) - (exact_line(x) < exact_line(y));
}

static int64_t capped(uint64_t a, uint64_t b)
{
	return (int64_t)(MIN(a, (uint64_t)INT64_MAX / 2) + MIN(b, (uint64_t)INT64_MAX / 2));
}

static void finding_take(struct finding *finding, struct finding *more)
{
	cause_add(&finding->cause, &more->cause);
	finding->count = (uint64_t)capped(finding->count, more->count);
	finding->total_ns = (nsec_t)capped(finding->total_ns, more->total_ns);
	finding->max_ns = MAX(finding->max_ns, more->max_ns);
	finding->p50_ns = MAX(finding->p50_ns, more->p50_ns);
	finding->p99_ns = MAX(finding->p99_ns, more->p99_ns);
	finding->first_seen_at = MIN(finding->first_seen_at, more->first_seen_at);
	finding->last_seen_at = MAX(finding->last_seen_at, more->last_seen_at);
	finding->n = MAX(finding->n, more->n);
	finding->has_more_tests |= more->has_more_tests;
	call_merge(&finding->call, &more->call);
	for (uint32_t i = 0; i < more->n_pids; i++)
		finding_add_pid(finding, more->pids[i]);
	for (uint32_t i = 0; i < more->n_tests; i++)
		finding_add_test(finding, more->tests[i]);
	for (uint32_t i = 0; i < more->n_stacks; i++)
		finding_add_stack(finding, more->stacks[i]);
	if (more->task)
		finding_add_task(finding, more->task, more->task->span_ns);
	if (!finding->origin) {
		finding->origin = more->origin;
		more->origin = NULL;
	}
	finding_free(more);
}

static void findings_fold(struct report *report)
{
	uint32_t n = 0;

	if (report->n_findings)
		qsort(report->findings, report->n_findings, sizeof(*report->findings),
		      finding_compare);
	for (uint32_t i = 0; i < report->n_findings; i++) {
		struct finding *finding = report->findings[i];

		if (n && !finding_compare(&report->findings[n - 1], &finding))
			finding_take(report->findings[n - 1], finding);
		else
			report->findings[n++] = finding;
	}
	report->n_findings = n;
}

/* Room for more of something. Return: the array's new place; NULL without memory. */
static void *grown(void *array, uint32_t n, uint32_t n_more, size_t item_bytes)
{
	return reallocarray(array, (size_t)n + n_more + 1, item_bytes);
}

static int report_reserve(struct report *report, const struct report *more)
{
	void *findings = grown(report->findings, report->n_findings, more->n_findings,
			       sizeof(*report->findings));
	void *processes, *loops;

	if (!findings)
		return -ENOMEM;
	report->findings = findings;
	processes = grown(report->processes, report->n_processes, more->n_processes,
			  sizeof(*report->processes));
	if (!processes)
		return -ENOMEM;
	report->processes = processes;
	loops = grown(report->loops, report->n_loops, more->n_loops, sizeof(*report->loops));
	if (!loops)
		return -ENOMEM;
	report->loops = loops;
	return 0;
}

static void take_items(void *array, uint32_t n, const void *more, uint32_t n_more,
		       size_t item_bytes)
{
	if (n_more)
		memcpy((char *)array + n * item_bytes, more, n_more * item_bytes);
}

static void take_arrays(struct report *report, struct report *more)
{
	take_items(report->findings, report->n_findings, more->findings, more->n_findings,
		   sizeof(*more->findings));
	take_items(report->processes, report->n_processes, more->processes, more->n_processes,
		   sizeof(*more->processes));
	take_items(report->loops, report->n_loops, more->loops, more->n_loops,
		   sizeof(*more->loops));
	report->n_findings += more->n_findings;
	report->n_processes += more->n_processes;
	report->n_loops += more->n_loops;
	more->n_findings = more->n_processes = more->n_loops = 0;
}

/* How many of the processes of another report are in this one already. */
uint32_t report_count_known(const struct report *report, const struct report *more)
{
	uint32_t n_known = 0;

	for (uint32_t i = 0; i < more->n_processes; i++) {
		const struct process *process = &more->processes[i];
		bool is_known = false;

		for (uint32_t k = 0; process->started_at && !is_known && k < report->n_processes;
		     k++)
			is_known = process_is(&report->processes[k], process->pid,
					      process->started_at);
		n_known += is_known;
	}
	return n_known;
}

/*
 * Add what is in another report, which is empty afterwards. Return: 0, or -ENOMEM and nothing has
 * changed.
 */
int report_combine(struct report *report, struct report *more)
{
	int r = report_reserve(report, more);

	if (r)
		return r;
	if (!report->host || !*report->host)
		report->host = more->host;
	if (!report->started_at || (more->started_at && more->started_at < report->started_at))
		report->started_at = more->started_at;
	report->ended_at = MAX(report->ended_at, more->ended_at);
	if (report->n_processes) {
		report->options.kinds &= more->options.kinds;
		report->options.is_strict &= more->options.is_strict;
	} else {
		report->options = more->options;
	}
	losses_add(&report->lost, &more->lost);
	take_arrays(report, more);
	report_deinit(more);
	findings_fold(report);
	report_sort(report);
	return 0;
}
