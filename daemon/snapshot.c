/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshot: the report of what a daemon knows now
 *
 * Everything in it is a copy but the strings, which belong to the daemon's pool and outlive it.
 * What is stuck at this moment is in it as a provisional finding; the aggregate does not count it,
 * since it may end yet and become something else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "snapshot.h"
#include "stamp.h"
#include "stuck.h"

static int add_loops(struct report *report, struct loop *loops, uint32_t n_loops)
{
	struct loop *all = reallocarray(report->loops, report->n_loops + n_loops + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	memcpy(all + report->n_loops, loops, n_loops * sizeof(*loops));
	report->loops = all;
	report->n_loops += n_loops;
	return 0;
}

static int copy_ended_process(const struct process *process, struct process *ret_copy)
{
	const char **argv = calloc(process->n_argv + 1, sizeof(*argv));

	if (!argv)
		return -ENOMEM;
	memcpy(argv, process->argv, process->n_argv * sizeof(*argv));
	*ret_copy = *process;
	ret_copy->argv = argv;
	return 0;
}

static int copy_ended_loop(const struct loop *loop, struct loop *ret_copy)
{
	int r;

	*ret_copy = *loop;
	memset(&ret_copy->turn, 0, sizeof(ret_copy->turn));
	memset(&ret_copy->callback, 0, sizeof(ret_copy->callback));
	memset(&ret_copy->lag, 0, sizeof(ret_copy->lag));
	r = figure_copy(&ret_copy->turn, &loop->turn);
	if (!r)
		r = figure_copy(&ret_copy->callback, &loop->callback);
	if (!r)
		r = figure_copy(&ret_copy->lag, &loop->lag);
	return r;
}

static int take_ended(struct daemon *daemon, struct report *report)
{
	int r = 0;

	daemon_learn_exits(daemon);
	report->processes =
		calloc(daemon->n_ended + daemon->n_watches + 1, sizeof(*report->processes));
	report->loops = calloc(daemon->n_ended_loops + 1, sizeof(*report->loops));
	if (!report->processes || !report->loops)
		return -ENOMEM;
	for (uint32_t i = 0; !r && i < daemon->n_ended; i++) {
		r = copy_ended_process(&daemon->ended[i], &report->processes[i]);
		report->n_processes += !r;
	}
	for (uint32_t i = 0; !r && i < daemon->n_ended_loops; i++)
		r = copy_ended_loop(&daemon->ended_loops[i], &report->loops[report->n_loops++]);
	return r;
}

static int take_watch(struct daemon *daemon, const struct watch *watch, struct report *report)
{
	struct process *process = &report->processes[report->n_processes];
	struct loop *loops = NULL;
	uint32_t n_loops = 0;
	int r = watch_process(watch, daemon->config.service, process);

	if (r)
		return r;
	process->exit_how = EXIT_RUNNING;
	report->n_processes++;
	r = watch_loops(watch, &loops, &n_loops);
	if (!r)
		r = add_loops(report, loops, n_loops);
	while (r && n_loops)
		loop_deinit(&loops[--n_loops]);
	free(loops);
	return r;
}

static int take_open(struct daemon *daemon, struct watch *watch, struct report *report)
{
	struct finding *open[REGION_N_SLOTS], **all;
	uint32_t n_open = 0;
	int r = stuck_list(watch, daemon->config.options.kinds, clock_monotonic(), open,
			   REGION_N_SLOTS, &n_open);

	all = reallocarray(report->findings, report->n_findings + n_open + 1, sizeof(*all));
	if (!all)
		r = -ENOMEM;
	else
		report->findings = all;
	for (uint32_t i = 0; i < n_open; i++)
		if (all)
			all[report->n_findings++] = open[i];
		else
			finding_free(open[i]);
	return r;
}

static int write_recording(const void *from, const struct report *report, FILE *out)
{
	const struct daemon *daemon = from;

	return reel_write(&daemon->reel, daemon->watches, report, out);
}

static void take_losses(struct daemon *daemon, struct report *report)
{
	report->lost = daemon->lost;
	report->lost.n[LOST_NAMES] += pool_refused(names_pool(daemon->names));
	for (uint32_t i = 0; i < report->n_processes; i++)
		losses_add(&report->lost, &report->processes[i].lost);
}

static const char *host_name(struct daemon *daemon)
{
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	return pool_keep_text(names_pool(daemon->names), host);
}

static int process_compare(const void *a, const void *b)
{
	const struct process *x = a, *y = b;

	return (x->started_at > y->started_at) - (x->started_at < y->started_at);
}

/* Of recordings and of a daemon nobody but the processes can tell. */
static bool is_strict(const struct report *report)
{
	uint32_t n = 0;

	while (n < report->n_processes && report->processes[n].is_strict)
		n++;
	return n && n == report->n_processes;
}

/*
 * ret_report is empty before, and is the caller's to deinit, before the daemon goes.
 *
 * Return: 0 or -ENOMEM.
 */
int snapshot_take(struct daemon *daemon, struct report *ret_report)
{
	_cleanup_(report_deinit) struct report report = REPORT_INIT;
	int r;

	daemon_drain(daemon);
	report.options = daemon->config.options;
	report.host = host_name(daemon);
	report.started_at = daemon->started_at;
	report.ended_at = daemon->ended_at ? daemon->ended_at : stamp_now();
	r = take_ended(daemon, &report);
	if (!r)
		r = aggregate_copy(daemon->aggregate, &report.findings, &report.n_findings);
	for (struct watch *watch = daemon->watches; !r && watch; watch = watch->next) {
		r = take_watch(daemon, watch, &report);
		if (!r)
			r = take_open(daemon, watch, &report);
	}
	if (r)
		return r;
	if (daemon->config.has_slices && slices_copy(&daemon->slices, &report))
		return -ENOMEM;
	if (daemon->config.has_tapes)
		report.recording = (struct report_recording){write_recording, daemon};
	report.options.is_strict |= is_strict(&report);
	take_losses(daemon, &report);
	qsort(report.processes, report.n_processes, sizeof(*report.processes), process_compare);
	report_sort(&report);
	*ret_report = report;
	report = (struct report)REPORT_INIT;
	return 0;
}
