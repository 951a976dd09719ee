/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the verbs that have a report do with it
 *
 * First what is allowed and what was known is marked, then the gates are held against the rest;
 * then it is shown and written, and at last the baseline, if nothing went wrong before.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "annotate.h"
#include "cli.h"
#include "shared.h"
#include "user-files.h"
#include "verdict.h"

static bool wants_color(int fd)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

	return isatty(fd) && !(no_color && *no_color) && term && strcmp(term, "dumb");
}

/* How text is to look on fd. cwd is the caller's room. */
struct text_style shared_style(const struct shared *shared, int fd, char *cwd, size_t cwd_bytes)
{
	return (struct text_style){
		.is_colored = shared->is_colored < 0 ? wants_color(fd) : shared->is_colored,
		.base_dir = getcwd(cwd, cwd_bytes),
	};
}

/*
 * The root of the repository that the working directory lies in, else the directory itself: files
 * are named from there where they are shown beside a change.
 */
static void find_root(struct shared *shared)
{
	char path[PATH_MAX + 8], *slash;

	if (!getcwd(shared->root_dir, sizeof(shared->root_dir)))
		return;
	snprintf(path, sizeof(path), "%s", shared->root_dir);
	for (slash = path + strlen(path); slash; slash = strrchr(path, '/')) {
		strcpy(slash, "/.git");
		if (!access(path, F_OK)) {
			*slash = '\0';
			strcpy(shared->root_dir, path);
			return;
		}
		*slash = '\0';
	}
}

/* Read the baseline, once it is known which and what for. Does not return when it cannot be. */
void shared_check_baseline(struct shared *shared)
{
	find_root(shared);
	if (shared->accepts_new && !shared->updates_baseline)
		cli_usage("--accept-new belongs to --update-baseline");
	if (shared->updates_baseline && !shared->baseline_path)
		cli_usage("--update-baseline: of which? --baseline FILE says it");
	if (shared->baseline_path)
		user_baseline_load(&shared->baseline, shared->baseline_path,
				   shared->updates_baseline, shared->accepts_new);
}

/* After a run that says something: write the baseline anew. Return: 0, or the exit status. */
int shared_store_baseline(struct shared *shared, const struct report *report)
{
	struct baseline_changes changes;

	if (!shared->updates_baseline)
		return 0;
	if (baseline_update(&shared->baseline, report, shared->accepts_new, &changes) ||
	    user_baseline_store(&shared->baseline, shared->baseline_path)) {
		cli_say("cannot write %s: %s", shared->baseline_path, strerror(errno));
		return CLI_EXIT_NO_JOB;
	}
	if (!shared->is_quiet)
		cli_say("%s: %zu removed, %zu lowered, %zu accepted", shared->baseline_path,
			changes.n_removed, changes.n_lowered, changes.n_added);
	return 0;
}

/* What is accepted in the same breath breaks no gate. */
static int judge_baseline(struct shared *shared, struct report *report)
{
	int r = baseline_mark(&shared->baseline, shared->baseline_path, report);

	for (uint32_t i = 0; shared->accepts_new && i < report->n_findings; i++)
		report->findings[i]->is_accepted = true;
	return r;
}

/*
 * What is allowed and what was known is marked, then the gates are held against the rest.
 *
 * Return: 0 or -ENOMEM.
 */
int shared_judge(struct shared *shared, struct report *report)
{
	int r = shared->allow.n_entries ? allow_apply(&shared->allow, report->ended_at, report) : 0;

	report->root_dir = shared->root_dir;
	report->kind_help = explain_kind;
	if (!r && shared->baseline_path)
		r = judge_baseline(shared, report);
	return r ? r : gates_judge(shared->gates, shared->n_gates, report);
}

/* Beside the changed lines. Standard output is the program's. */
void shared_annotate(const struct shared *shared, const struct report *report)
{
	if (shared->annotates_github)
		annotate_github(stderr, report);
}

/* Where the report is not shown, a line for each gate that does not hold. */
void shared_say_gates(const struct shared *shared, const struct report *report)
{
	char cwd[PATH_MAX];
	struct text_style style = shared_style(shared, STDERR_FILENO, cwd, sizeof(cwd));

	for (uint32_t i = 0; i < report->n_gates; i++)
		if (!report->gates[i].is_ok)
			verdict_print_line(stderr, &report->gates[i], report, &style);
}
