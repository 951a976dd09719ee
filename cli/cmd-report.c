/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loophound report: recordings and reports merged into one, or the report of the daemon of this
 * host
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "cli.h"
#include "json.h"
#include "log.h"
#include "shared.h"
#include "sources.h"
#include "user-files.h"

enum {
	KEY_SOCKET = 1024,
};

struct ask_report {
	struct shared shared;
	char **files;
	int n_files;
	struct pool *pool;	/* of a report that was asked for */
	struct sources sources; /* of one that was put together from files */
	struct report *report;	/* either */
	struct report asked;
	char cwd[PATH_MAX];
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct ask_report *ask = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &ask->shared;
		return 0;
	case KEY_SOCKET:
		ask->shared.socket = arg;
		return 0;
	case ARGP_KEY_ARGS:
		ask->files = state->argv + state->next;
		ask->n_files = state->argc - state->next;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"socket", KEY_SOCKET, "PATH", 0, "ask the daemon that listens at PATH", 0},
	{0},
};

static const struct argp_child children[] = {
	{&shared_output_argp, 0, NULL, 0},
	{&shared_later_argp, 0, NULL, 0},
	{0},
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[FILE.lhr|FILE.json...]",
	.doc = "The report of recordings and JSON reports, merged, or of the daemon of this host.",
	.children = children,
};

/* The daemon has judged already; what was not asked for can only be left out here. */
static void leave_out(const struct shared *shared, struct report *report)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < report->n_findings; i++)
		if (shared->kinds & KIND_MASK(report->findings[i]->kind))
			report->findings[n++] = report->findings[i];
		else
			finding_free(report->findings[i]);
	report->n_findings = n;
	report->options.kinds &= shared->kinds;
}

static int ask_host(struct ask_report *ask)
{
	int status;

	if (ask->shared.own_code || ask->shared.service)
		cli_usage("report: --own-code and --service are for recordings; a daemon has its "
			  "own");
	if (pool_new(&ask->pool)) {
		cli_say("no report: %s", strerror(ENOMEM));
		return CLI_EXIT_NO_JOB;
	}
	status = ask_daemon(ask->shared.socket, REQUEST_REPORT, ask->pool, &ask->asked);
	leave_out(&ask->shared, &ask->asked);
	return status;
}

static void print(struct ask_report *ask)
{
	struct text_style style;

	if (ask->shared.is_json) {
		json_write_report(stdout, ask->report);
	} else if (!ask->shared.is_quiet) {
		style = shared_style(&ask->shared, STDOUT_FILENO, ask->cwd, sizeof(ask->cwd));
		text_report(stdout, ask->report, &style);
	}
}

static int finish(struct ask_report *ask)
{
	int status;

	if (shared_judge(&ask->shared, ask->report))
		return CLI_EXIT_NO_JOB;
	status = shared_write_outputs(&ask->shared, ask->report);
	shared_annotate(&ask->shared, ask->report);
	print(ask);
	if (ask->shared.is_quiet || ask->shared.is_json)
		shared_say_gates(&ask->shared, ask->report);
	if (fflush(stdout) || ferror(stdout)) {
		cli_say("cannot write the report: %s", strerror(errno));
		return CLI_EXIT_NO_JOB;
	}
	if (!status && !report_unmeasured(ask->report))
		status = shared_store_baseline(&ask->shared, ask->report);
	if (status)
		return status;
	return gates_hold(ask->report) ? CLI_EXIT_OK : CLI_EXIT_GATE;
}

int cmd_report(int argc, char **argv)
{
	static struct ask_report ask = {.shared = SHARED_INIT};
	static char name[] = "loophound report";
	int status, finished = 0;

	log_init("loophound");
	argv[0] = name;
	user_advice_load();
	argp_parse(&argp, argc, argv, 0, NULL, &ask);
	if (shared_wants_recording(&ask.shared) && !sources_are_recordings(ask.files, ask.n_files))
		cli_usage("report: a recording (.lhr) can be made of recordings only");
	shared_check_gates(&ask.shared);
	shared_check_baseline(&ask.shared);
	status = shared_open_outputs(&ask.shared);
	if (status)
		return status;
	ask.report = ask.n_files ? &ask.sources.report : &ask.asked;
	status = ask.n_files ? sources_read(&ask.sources, &ask.shared, ask.files, ask.n_files)
			     : ask_host(&ask);
	if (!status || ask.report->n_processes)
		finished = finish(&ask);
	sources_deinit(&ask.sources);
	report_deinit(&ask.asked);
	pool_free(ask.pool);
	return status ? status : finished;
}
