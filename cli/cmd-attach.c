/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loophound attach --no-inject: watch a process that runs, with nothing put into it
 *
 * As run does, the daemon's core runs in this process, and a report is made at the end: when the
 * process has ended, after --duration, or by Ctrl-C. Kernel probes take the place of the shim, so
 * privileges are needed, and given up as soon as the probes are loaded.
 */
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "capability.h"
#include "cli.h"
#include "config.h"
#include "daemon.h"
#include "json.h"
#include "log.h"
#include "probe.h"
#include "proc.h"
#include "shared.h"
#include "snapshot.h"
#include "stamp.h"
#include "user-files.h"

#define ATTACH_TICK_MS 10

enum {
	KEY_NO_INJECT = 1024,
	KEY_DURATION,
};

struct attach {
	struct shared shared;
	bool is_outside;
	nsec_t duration_ns; /* 0: until it ends */
	int32_t pid;
	struct daemon *daemon;
	struct probe *probe;
	struct source signals;
	bool is_interrupted;
	char cwd[PATH_MAX];
	struct text_style style;
};

static const struct argp_child children[] = {
	{&shared_limits_argp, 0, NULL, 0},
	{&shared_output_argp, 0, NULL, 0},
	{&shared_later_argp, 0, NULL, 0},
	{0},
};

static int32_t take_pid(const char *arg)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(arg, &end, 10);
	if (errno || *end || end == arg || pid <= 0 || pid > INT32_MAX)
		cli_usage("attach %s: not the number of a process", arg);
	return (int32_t)pid;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct attach *attach = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		for (unsigned int i = 0; i < ARRAY_LEN(children) - 1; i++)
			state->child_inputs[i] = &attach->shared;
		return 0;
	case KEY_NO_INJECT:
		attach->is_outside = true;
		return 0;
	case KEY_DURATION:
		if (duration_parse(arg, strlen(arg), &attach->duration_ns) || !attach->duration_ns)
			cli_usage("--duration %s: not a duration; write 30s, 1.5s or 2m", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (attach->pid)
			cli_usage("attach: one process at a time");
		attach->pid = take_pid(arg);
		return 0;
	case ARGP_KEY_NO_ARGS:
		cli_usage("attach: to which process? loophound attach --no-inject PID");
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"no-inject", KEY_NO_INJECT, 0, 0, "put nothing into the process: watch from the kernel",
	 0},
	{"duration", KEY_DURATION, "30s", 0, "for how long; without, until it ends or Ctrl-C", 0},
	{0},
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "--no-inject PID",
	.doc = "Watch a process that runs already; report when it has ended, or by Ctrl-C.",
	.children = children,
};

static int on_signal(struct source *source, uint32_t events)
{
	struct attach *attach =
		(struct attach *)((char *)source - offsetof(struct attach, signals));
	struct signalfd_siginfo got;

	(void)events;
	if (read(source->fd, &got, sizeof(got)) > 0)
		attach->is_interrupted = true;
	return 0;
}

static int open_signals(struct attach *attach)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	attach->signals = (struct source){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
					  .dispatch = on_signal};
	return attach->signals.fd < 0 ? -errno
				      : daemon_add_source(attach->daemon, &attach->signals);
}

static int open_daemon(struct attach *attach)
{
	struct daemon_config config = {
		.service = attach->shared.service,
		.base_dir = attach->style.base_dir,
		.is_live = !attach->shared.is_quiet && !attach->shared.is_json,
	};
	int r;

	shared_report_options(&attach->shared, &config.options);
	config.has_slices = shared_wants_timeline(&attach->shared);
	config.has_tapes = shared_wants_recording(&attach->shared);
	own_code_add_globs(&config.own, attach->shared.own_code);
	r = daemon_new(&config, &attach->daemon);
	return r ? r : open_signals(attach);
}

/* A baseline takes the place of the old one at the end, in whosever folder it lies; and who stops a
 * thread must not wait for a CPU. */
static int attach_drop_privileges(const struct attach *attach)
{
	const struct shared *shared = &attach->shared;

	return capability_keep_watching(
		(shared->updates_baseline ? UINT64_C(1) << CAP_DAC_OVERRIDE : 0) |
		(shared->limits.is_native ? UINT64_C(1) << CAP_SYS_NICE : 0));
}

/* Return: 0, or the exit status, having said why. */
static int attach_start(struct attach *attach)
{
	char span[STAMP_BYTES];
	int r;

	attach->style =
		shared_style(&attach->shared, STDERR_FILENO, attach->cwd, sizeof(attach->cwd));
	r = shared_open_outputs(&attach->shared);
	if (r)
		return r;
	r = open_daemon(attach);
	if (r) {
		cli_say("cannot start: %s", strerror(-r));
		return CLI_EXIT_NO_JOB;
	}
	r = probe_new(attach->daemon, &attach->probe);
	if (!r)
		r = probe_attach(attach->probe, attach->pid, &attach->shared.limits);
	if (!r)
		r = attach_drop_privileges(attach);
	if (r) {
		cli_say("cannot watch pid %d: %s", attach->pid, probe_complaint(r));
		return CLI_EXIT_NO_JOB;
	}
	if (!attach->shared.is_quiet)
		cli_say("watching pid %d from the kernel%s%s; Ctrl-C ends it", attach->pid,
			attach->duration_ns ? " for " : "",
			attach->duration_ns ? stamp_span(attach->duration_ns, span) : "");
	return 0;
}

static void attach_watch(struct attach *attach)
{
	nsec_t end_ns = clock_monotonic() + attach->duration_ns;
	int r = 0;

	while (!r && !attach->is_interrupted && probe_is_watching(attach->probe) &&
	       (!attach->duration_ns || clock_monotonic() < end_ns)) {
		r = daemon_dispatch(attach->daemon, ATTACH_TICK_MS);
		probe_tick(attach->probe);
	}
	probe_finish(attach->probe);
	daemon_drain(attach->daemon);
}

static void attach_print(struct attach *attach, const struct report *report)
{
	if (attach->shared.is_quiet) {
		shared_say_gates(&attach->shared, report);
		return;
	}
	if (attach->shared.is_json) {
		json_write_fd(STDERR_FILENO, report, false);
		return;
	}
	live_flush(&attach->daemon->live);
	fputc('\n', stderr);
	text_report(stderr, report, &attach->style);
}

/* Return: the exit status. */
static int attach_report(struct attach *attach)
{
	_cleanup_(report_deinit) struct report report = REPORT_INIT;
	int r = snapshot_take(attach->daemon, &report);

	if (!r)
		r = shared_judge(&attach->shared, &report);
	if (r) {
		cli_say("no report: %s", strerror(-r));
		return CLI_EXIT_NO_JOB;
	}
	r = shared_write_outputs(&attach->shared, &report);
	attach_print(attach, &report);
	shared_annotate(&attach->shared, &report);
	if (attach->shared.updates_baseline && report_unmeasured(&report))
		cli_say("%s stays as it is: %s", attach->shared.baseline_path,
			report_unmeasured(&report));
	else if (!r)
		r = shared_store_baseline(&attach->shared, &report);
	if (r)
		return r;
	if (attach->shared.n_gates && report_unmeasured(&report))
		return CLI_EXIT_NO_JOB;
	return gates_hold(&report) ? CLI_EXIT_OK : CLI_EXIT_GATE;
}

static void attach_deinit(struct attach *attach)
{
	attach->probe = probe_free(attach->probe);
	if (attach->signals.fd > 0)
		close(attach->signals.fd);
	attach->daemon = daemon_free(attach->daemon);
	for (unsigned int i = 0; i < attach->shared.n_outputs; i++)
		output_close(&attach->shared.outputs[i]);
}

static error_t parse_config(int key, char *arg, struct argp_state *state)
{
	return key == ARGP_KEY_INIT ? parse(key, arg, state) : ARGP_ERR_UNKNOWN;
}

/* The nearest loophound.toml, as for run. It stays: options point there. */
static void read_config(struct attach *attach)
{
	static const struct argp config_argp = {.parser = parse_config, .children = children};
	static const struct argp *const tables[] = {&shared_limits_argp, &shared_output_argp,
						    &shared_later_argp, NULL};
	static struct config config;

	config_load(&config, tables);
	config_apply(&config, &config_argp, attach);
	shared_begin_command_line(&attach->shared);
}

int cmd_attach(int argc, char **argv)
{
	static struct attach attach = {.shared = SHARED_INIT};
	static char name[] = "loophound attach";
	int status;

	log_init("loophound");
	shared_take_environment(&attach.shared);
	argv[0] = name;
	user_advice_load();
	read_config(&attach);
	argp_parse(&argp, argc, argv, 0, NULL, &attach);
	if (!attach.is_outside)
		cli_usage("attach: putting the shim into a process is not available yet; "
			  "--no-inject watches from the kernel");
	if (attach.shared.bpf == BPF_OFF)
		cli_usage("attach --no-inject --bpf off: then nothing watches");
	shared_check_gates(&attach.shared);
	shared_check_strict_gates(&attach.shared);
	shared_check_baseline(&attach.shared);
	status = attach_start(&attach);
	if (!status) {
		attach_watch(&attach);
		status = attach_report(&attach);
	}
	attach_deinit(&attach);
	return status;
}
