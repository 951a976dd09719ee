/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loophound status: what the daemon of this host watches, which detectors are live, what was lost
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "cli.h"
#include "json.h"
#include "shared.h"

enum {
	KEY_SOCKET = 1024,
	KEY_JSON,
};

struct ask_status {
	const char *socket;
	bool is_json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct ask_status *ask = state->input;

	switch (key) {
	case KEY_SOCKET:
		ask->socket = arg;
		return 0;
	case KEY_JSON:
		ask->is_json = true;
		return 0;
	case ARGP_KEY_ARG:
		cli_usage("status: there is nothing to be done with '%s'", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"socket", KEY_SOCKET, "PATH", 0, "ask the daemon that listens at PATH", 0},
	{"json", KEY_JSON, 0, 0, "JSON instead of text", 0},
	{0},
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.doc = "What the daemon of this host watches, and what was lost.",
};

static void print(const struct ask_status *ask, const struct report *report)
{
	struct shared shared = SHARED_INIT;
	struct text_style style;
	char cwd[PATH_MAX];

	if (!ask->is_json) {
		style = shared_style(&shared, STDOUT_FILENO, cwd, sizeof(cwd));
		text_status(stdout, report, &style);
		return;
	}
	json_write(stdout, json_status(report));
}

int cmd_status(int argc, char **argv)
{
	struct report report = REPORT_INIT;
	static char name[] = "loophound status";
	struct ask_status ask = {0};
	struct pool *pool = NULL;
	int status;

	argv[0] = name;
	argp_parse(&argp, argc, argv, 0, NULL, &ask);
	if (pool_new(&pool)) {
		cli_say("no status: %s", strerror(ENOMEM));
		return CLI_EXIT_NO_JOB;
	}
	status = ask_daemon(ask.socket, REQUEST_STATUS, pool, &report);
	if (!status)
		print(&ask, &report);
	report_deinit(&report);
	pool_free(pool);
	return status;
}
