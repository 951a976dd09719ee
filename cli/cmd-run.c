/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loophound run: start a program watched, and report at its end
 *
 * The daemon's core runs in this process, at a socket in a directory of its own that only this user
 * can enter; nothing else is needed. What can be known to fail is said before the program starts:
 * options, report paths, a missing shim. From then on the program comes first: whatever happens
 * here, its exit status is what a script gets to see when it failed.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "cli.h"
#include "config.h"
#include "json.h"
#include "listen.h"
#include "log.h"
#include "preload.h"
#include "shared.h"
#include "snapshot.h"
#include "user-files.h"
#include "waits.h"

/* Workers take a moment to go after their parent. Those that stay longer are said to run still. */
#define RUN_SETTLE_NS NSEC_PER_SEC

struct run {
	struct shared shared;
	char **command;
	struct daemon *daemon;
	struct child child;
	char dir[64];
	char socket_path[80];
	char shim[PATH_MAX];
	char cwd[PATH_MAX];
	struct text_style style;
	int exec_errno;
};

static const struct argp_child children[] = {
	{&shared_limits_argp, 0, NULL, 0},
	{&shared_output_argp, 0, NULL, 0},
	{&shared_later_argp, 0, NULL, 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run *run = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		for (unsigned int i = 0; i < ARRAY_LEN(children) - 1; i++)
			state->child_inputs[i] = &run->shared;
		return 0;
	case ARGP_KEY_ARG:
		run->command = &state->argv[state->next - 1];
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		cli_usage("run: what is to be run? loophound run [OPTION...] -- CMD...");
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "-- CMD...",
	.doc = "Start CMD watched, with its children and workers; report at its end.",
	.children = children,
};

static int run_make_dir(struct run *run)
{
	const char *base = getenv("XDG_RUNTIME_DIR");

	/* A socket's address has 108 bytes; a long directory is not worth an error. */
	if (!base || *base != '/' || strlen(base) > 32)
		base = "/tmp";
	snprintf(run->dir, sizeof(run->dir), "%s/loophound-XXXXXX", base);
	if (!mkdtemp(run->dir)) {
		snprintf(run->dir, sizeof(run->dir), "/tmp/loophound-XXXXXX");
		if (!mkdtemp(run->dir)) {
			int r = -errno;

			run->dir[0] = '\0';
			return r;
		}
	}
	snprintf(run->socket_path, sizeof(run->socket_path), "%s/socket", run->dir);
	return 0;
}

static void run_deinit(struct run *run)
{
	child_close(&run->child);
	run->daemon = daemon_free(run->daemon);
	if (run->dir[0])
		rmdir(run->dir);
	for (unsigned int i = 0; i < run->shared.n_outputs; i++)
		output_close(&run->shared.outputs[i]);
}

static int run_open_daemon(struct run *run)
{
	struct daemon_config config = {
		.service = run->shared.service,
		.base_dir = run->style.base_dir,
		.is_live = !run->shared.is_quiet && !run->shared.is_json,
	};
	int r;

	shared_report_options(&run->shared, &config.options);
	config.has_slices = shared_wants_timeline(&run->shared);
	config.has_tapes = shared_wants_recording(&run->shared);
	own_code_add_globs(&config.own, run->shared.own_code);
	r = daemon_new(&config, &run->daemon);
	if (!r)
		r = run_make_dir(run);
	if (!r)
		r = listen_open(run->daemon, run->socket_path, 0600);
	if (!r)
		r = child_open(&run->child, run->daemon);
	return r > 0 ? -ENAMETOOLONG : r;
}

/* Return: 0, or the exit status, having said why. */
static int run_prepare(struct run *run)
{
	int r;

	run->style = shared_style(&run->shared, STDERR_FILENO, run->cwd, sizeof(run->cwd));
	r = preload_find(run->shim, sizeof(run->shim));
	if (r == -EINVAL)
		cli_say("%s cannot be preloaded: its path has a space or a colon", run->shim);
	else if (r)
		cli_say("libloophound.so is not there; LOOPHOUND_SHIM can say where it is");
	if (r)
		return CLI_EXIT_NO_JOB;
	r = shared_open_outputs(&run->shared);
	if (r)
		return r;
	r = run_open_daemon(run);
	if (r) {
		cli_say("cannot start: %s", strerror(-r));
		return CLI_EXIT_NO_JOB;
	}
	return shared_ask_kernel(&run->shared, run->daemon);
}

/* Return: 0, or the exit status, having said why. */
static int run_start(struct run *run)
{
	char preload[PATH_MAX * 2], options[256];
	struct child_environment environment = {
		.preload = preload, .socket = run->socket_path, .options = options};
	int r = preload_value(run->shim, preload, sizeof(preload)), error = 0;

	shared_to_environment(&run->shared, options, sizeof(options));
	if (run->daemon->waits)
		waits_begin_family(run->daemon->waits);
	if (!r)
		r = child_start(&run->child, run->command, &environment, &error);
	if (run->daemon->waits)
		waits_end_family(run->daemon->waits);
	switch (r) {
	case 0:
		return 0;
	case CHILD_E_NOT_FOUND:
		cli_say("%s: %s", run->command[0],
			strchr(run->command[0], '/') ? strerror(error) : "command not found");
		return CLI_EXIT_NOT_FOUND;
	case CHILD_E_NOT_EXEC:
		cli_say("%s: %s", run->command[0], strerror(error));
		return CLI_EXIT_NOT_EXEC;
	default:
		cli_say("cannot start %s: %s", run->command[0], strerror(-r));
		return CLI_EXIT_NO_JOB;
	}
}

/* Until the program has ended, and then until its workers have, or a moment has passed. */
static void run_watch(struct run *run)
{
	nsec_t end_ns;
	int r = 0;

	while (!run->child.has_ended && !r)
		r = daemon_dispatch(run->daemon, -1);
	/* The core is of no more use; the program still has to be waited for. */
	while (!run->child.has_ended)
		child_wait(&run->child, 0);
	end_ns = clock_monotonic() + RUN_SETTLE_NS;
	while (!r && run->daemon->watches && !run->child.is_interrupted &&
	       clock_monotonic() < end_ns)
		r = daemon_dispatch(run->daemon, 25);
}

/* The exit status of the program itself is known to us alone. */
static void run_set_exit(const struct run *run, struct report *report)
{
	for (uint32_t i = report->n_processes; i-- > 0;) {
		struct process *process = &report->processes[i];

		if (process->pid != run->child.pid || process->exit_how == EXIT_RUNNING)
			continue;
		process->exit_how = WIFSIGNALED(run->child.wait_status) ? EXIT_SIGNAL : EXIT_STATUS;
		process->exit_value = WIFSIGNALED(run->child.wait_status)
					      ? WTERMSIG(run->child.wait_status)
					      : WEXITSTATUS(run->child.wait_status);
		return;
	}
}

static void run_say_unwatched(const struct run *run)
{
	const char *program = run->command[0];

	if (run->daemon->n_hellos)
		cli_say("nothing was watched: the watched processes were refused");
	else if (preload_is_python(program))
		cli_say("nothing was watched: %s is no CPython 3.8 to 3.15, or did not load "
			"libloophound.so (it is static, setuid, or built for another C library)",
			program);
	else
		cli_say("nothing was watched: %s is not a Python program", program);
}

static void run_print(struct run *run, const struct report *report)
{
	if (run->shared.is_quiet) {
		shared_say_gates(&run->shared, report);
		return;
	}
	if (run->shared.is_json) {
		json_write_fd(STDERR_FILENO, report, false);
		return;
	}
	live_flush(&run->daemon->live);
	fputc('\n', stderr);
	text_report(stderr, report, &run->style);
}

/* A loop ran, perhaps, and none could be watched. */
static bool run_saw_no_loop(const struct report *report)
{
	return !report_has_loops(report) &&
	       (report->lost.n[LOSS_LOOP_UNKNOWN] || report->lost.n[LOSS_HOOK_REFUSED]);
}

/* Whether Python ran and nothing of it was seen: not even by one who asks for no gate a success. */
static bool run_is_blind(const struct run *run, const struct report *report)
{
	if (run_saw_no_loop(report))
		return true;
	return !report->n_processes &&
	       (run->daemon->n_hellos || preload_is_python(run->command[0]));
}

/* Return: the exit status. */
static int run_report(struct run *run)
{
	_cleanup_(report_deinit) struct report report = REPORT_INIT;
	int status = child_status(&run->child), r = snapshot_take(run->daemon, &report);

	if (!r) {
		run_set_exit(run, &report);
		r = shared_judge(&run->shared, &report);
	}
	if (r) {
		cli_say("no report: %s", strerror(-r));
		return status ? status : CLI_EXIT_NO_JOB;
	}
	r = shared_write_outputs(&run->shared, &report);
	if (!report.n_processes && (!run->shared.is_quiet || run->shared.n_gates))
		run_say_unwatched(run);
	else
		run_print(run, &report);
	if (run_saw_no_loop(&report))
		cli_say("nothing was watched: a loop of this program could not be recognised "
			"(its framework is none of asyncio, uvloop, trio and gevent, its selector is no epoll, or "
			"its interpreter is an unusual build)");
	shared_annotate(&run->shared, &report);
	if (run->shared.updates_baseline && (status || report_unmeasured(&report)))
		cli_say("%s stays as it is: %s", run->shared.baseline_path,
			status ? "the command failed" : report_unmeasured(&report));
	else if (!r)
		r = shared_store_baseline(&run->shared, &report);
	if (status)
		return status;
	if (r)
		return r;
	if (run->shared.n_gates ? !!report_unmeasured(&report) : run_is_blind(run, &report))
		return CLI_EXIT_NO_JOB;
	return gates_hold(&report) ? CLI_EXIT_OK : CLI_EXIT_GATE;
}

/* Return: the exit status. */
static int run_all(struct run *run)
{
	int status = run_prepare(run);

	if (!status)
		status = run_start(run);
	if (status)
		return status;
	run_watch(run);
	if (run->child.is_interrupted)
		return CLI_EXIT_BY_SIGNAL + SIGINT;
	return run_report(run);
}

static error_t parse_config(int key, char *arg, struct argp_state *state)
{
	struct run *run = state->input;

	(void)arg;
	if (key != ARGP_KEY_INIT)
		return ARGP_ERR_UNKNOWN;
	for (unsigned int i = 0; i < ARRAY_LEN(children) - 1; i++)
		state->child_inputs[i] = &run->shared;
	return 0;
}

/* The nearest loophound.toml, before the command line, which wins. It stays: options point there.
 */
static void read_config(struct run *run)
{
	static const struct argp config_argp = {.parser = parse_config, .children = children};
	static const struct argp *const tables[] = {&shared_limits_argp, &shared_output_argp,
						    &shared_later_argp, NULL};
	static struct config config;

	config_load(&config, tables);
	config_apply(&config, &config_argp, run);
	shared_begin_command_line(&run->shared);
}

int cmd_run(int argc, char **argv)
{
	static struct run run = {.shared = SHARED_INIT, .child = {.witness = WITNESS_INIT}};
	static char name[] = "loophound run";
	int status;

	log_init("loophound");
	shared_take_environment(&run.shared);
	argv[0] = name;
	user_advice_load();
	read_config(&run);
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &run);
	shared_check_gates(&run.shared);
	shared_check_strict_gates(&run.shared);
	shared_check_baseline(&run.shared);
	status = run_all(&run);
	run_deinit(&run);
	return status;
}
