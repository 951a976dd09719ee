/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loophound report: the report of recordings, or of the daemon of this host
 *
 * Recordings go through the same core as a live process does, all into one report.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "cli.h"
#include "daemon.h"
#include "json.h"
#include "log.h"
#include "recording.h"
#include "shared.h"
#include "snapshot.h"
#include "user-files.h"

enum {
	KEY_SOCKET = 1024,
};

struct ask_report {
	struct shared shared;
	char **files;
	int n_files;
	struct pool *pool;     /* of a report that was asked for */
	struct daemon *daemon; /* of one that was put together from files */
	struct report report;
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
	.args_doc = "[FILE.lhr...]",
	.doc = "The report of recordings, or of the daemon that runs on this host.",
	.children = children,
};

/* Return: 0 when it could be read so far as it goes, else the exit status. */
static int read_file(struct daemon *daemon, const char *path)
{
	int r = recording_read_file(daemon, path);

	switch (r) {
	case 0:
		return 0;
	case RECORDING_E_TRUNCATED:
		cli_say("%s ends too early: what is there was read", path);
		return 0;
	case RECORDING_E_CORRUPT:
		cli_say("%s: a part makes no sense; what could be read was", path);
		return 0;
	case RECORDING_E_VERSION:
		cli_say("%s is of another version of loophound", path);
		return CLI_EXIT_NO_JOB;
	case RECORDING_E_MAGIC:
		cli_say("%s is no recording of loophound", path);
		return CLI_EXIT_NO_JOB;
	default:
		cli_say("cannot read %s: %s", path, strerror(-r));
		return CLI_EXIT_NO_JOB;
	}
}

static int read_files(struct ask_report *ask)
{
	struct daemon_config config = {.service = ask->shared.service};
	int status = 0, r;

	shared_report_options(&ask->shared, &config.options);
	own_code_add_globs(&config.own, ask->shared.own_code);
	r = daemon_new(&config, &ask->daemon);
	for (int i = 0; !r && i < ask->n_files; i++) {
		int failed = read_file(ask->daemon, ask->files[i]);

		status = status ? status : failed;
	}
	if (!r)
		r = snapshot_take(ask->daemon, &ask->report);
	if (r)
		cli_say("no report: %s", strerror(-r));
	return r ? CLI_EXIT_NO_JOB : status;
}

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
	status = ask_daemon(ask->shared.socket, REQUEST_REPORT, ask->pool, &ask->report);
	leave_out(&ask->shared, &ask->report);
	return status;
}

static void print(struct ask_report *ask)
{
	struct text_style style;

	if (ask->shared.is_json) {
		json_t *json = json_report(&ask->report);

		json_write(STDOUT_FILENO, json);
		json_decref(json);
	} else if (!ask->shared.is_quiet) {
		style = shared_style(&ask->shared, STDOUT_FILENO, ask->cwd, sizeof(ask->cwd));
		text_report(stdout, &ask->report, &style);
	}
}

static int finish(struct ask_report *ask)
{
	int status;

	if (shared_judge(&ask->shared, &ask->report))
		return CLI_EXIT_NO_JOB;
	status = shared_write_outputs(&ask->shared, &ask->report);
	print(ask);
	if (ask->shared.is_quiet || ask->shared.is_json)
		shared_say_gates(&ask->shared, &ask->report);
	if (fflush(stdout) || ferror(stdout)) {
		cli_say("cannot write the report: %s", strerror(errno));
		return CLI_EXIT_NO_JOB;
	}
	if (!status && report_has_loops(&ask->report))
		status = shared_store_baseline(&ask->shared, &ask->report);
	if (status)
		return status;
	return gates_hold(&ask->report) ? CLI_EXIT_OK : CLI_EXIT_GATE;
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
	shared_check_gates(&ask.shared);
	shared_check_baseline(&ask.shared);
	status = shared_open_outputs(&ask.shared);
	if (status)
		return status;
	status = ask.n_files ? read_files(&ask) : ask_host(&ask);
	if (!status || ask.report.n_processes)
		finished = finish(&ask);
	report_deinit(&ask.report);
	daemon_free(ask.daemon);
	pool_free(ask.pool);
	return status ? status : finished;
}
