/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loophound diff: what got worse from one report or recording to another
 *
 * Either side is a file, or several recordings and reports with commas between them. The reports
 * that are asked for, and the gates, are of the second side, marked against the first.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "diff.h"
#include "log.h"
#include "shared.h"
#include "sources.h"
#include "user-files.h"

/* Shards of a test run; more of them are merged by loophound report first. */
#define DIFF_MAX_FILES 256

struct ask_diff {
	struct shared shared;
	char **sides;
	int n_sides;
	struct sources base, now;
	char cwd[PATH_MAX];
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct ask_diff *ask = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &ask->shared;
		return 0;
	case ARGP_KEY_ARGS:
		ask->sides = state->argv + state->next;
		ask->n_sides = state->argc - state->next;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = {
	{&shared_output_argp, 0, NULL, 0},
	{&shared_later_argp, 0, NULL, 0},
	{0},
};

static const struct argp argp = {
	.parser = parse,
	.args_doc = "BASE NEW",
	.doc = "What got worse from one report or recording to another, what is new, what is gone.",
	.children = children,
};

static int read_side(struct sources *sources, const struct shared *shared, const char *side)
{
	char *paths[DIFF_MAX_FILES], *text = strdup(side), *next = text;
	int n = 0, status;

	/* A file whose name has a comma is meant as it is. */
	if (!access(side, F_OK)) {
		paths[n++] = text;
		next = NULL;
	}
	for (char *path = next; path && (path = strsep(&next, ","));) {
		if (n == DIFF_MAX_FILES)
			cli_usage("diff: more than %d files on one side", DIFF_MAX_FILES);
		if (*path)
			paths[n++] = path;
	}
	status = sources_read(sources, shared, paths, n);
	free(text);
	return status;
}

/* What was allowed then is none of what is allowed now. */
static void forget_marks(struct report *report)
{
	for (uint32_t i = 0; i < report->n_findings; i++)
		report->findings[i]->allowed_by = NULL;
}

static int show(struct ask_diff *ask, const struct diff *diff)
{
	struct text_style style;

	if (ask->shared.is_json) {
		if (diff_json(stdout, diff))
			return CLI_EXIT_NO_JOB;
	} else if (!ask->shared.is_quiet) {
		style = shared_style(&ask->shared, STDOUT_FILENO, ask->cwd, sizeof(ask->cwd));
		diff_text(stdout, diff, &style);
	}
	shared_say_gates(&ask->shared, diff->now);
	if (fflush(stdout) || ferror(stdout)) {
		cli_say("cannot write: %s", strerror(errno));
		return CLI_EXIT_NO_JOB;
	}
	return 0;
}

static int compare(struct ask_diff *ask)
{
	struct diff diff = {.base_path = ask->sides[0], .now_path = ask->sides[1]};
	int status;

	forget_marks(&ask->base.report);
	forget_marks(&ask->now.report);
	if (diff_make(&diff, &ask->base.report, &ask->now.report) ||
	    shared_judge(&ask->shared, &ask->now.report)) {
		cli_say("no diff: %s", strerror(ENOMEM));
		return CLI_EXIT_NO_JOB;
	}
	status = show(ask, &diff);
	if (!status)
		status = shared_write_outputs(&ask->shared, &ask->now.report);
	shared_annotate(&ask->shared, &ask->now.report);
	if (status)
		return status;
	return diff_is_worse(&diff) || !gates_hold(&ask->now.report) ? CLI_EXIT_GATE : CLI_EXIT_OK;
}

int cmd_diff(int argc, char **argv)
{
	static struct ask_diff ask = {.shared = SHARED_INIT};
	static char name[] = "loophound diff";
	int status, next;

	log_init("loophound");
	argv[0] = name;
	user_advice_load();
	argp_parse(&argp, argc, argv, 0, NULL, &ask);
	if (ask.n_sides != 2)
		cli_usage("diff: two sides are needed: loophound diff BASE NEW");
	if (ask.shared.baseline_path)
		cli_usage("diff: the baseline is BASE; --baseline is for run and report");
	if (shared_wants_recording(&ask.shared))
		cli_usage("diff: a recording (.lhr) can be made by run, attach and report");
	shared_check_gates(&ask.shared);
	shared_check_baseline(&ask.shared);
	status = shared_open_outputs(&ask.shared);
	if (status)
		return status;
	status = read_side(&ask.base, &ask.shared, ask.sides[0]);
	next = read_side(&ask.now, &ask.shared, ask.sides[1]);
	status = status ? status : next;
	if (!status)
		status = compare(&ask);
	sources_deinit(&ask.base);
	sources_deinit(&ask.now);
	return status;
}
