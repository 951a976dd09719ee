/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options that verbs share
 *
 * Three groups for argp, so that a verb takes what it can use: what is judged, where the report
 * goes, and what is promised and not built. The last are known so that they are refused by name:
 * an option that does nothing would be believed.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "daemon.h"
#include "probe.h"
#include "shared.h"
#include "user-files.h"
#include "waits.h"

enum {
	KEY_SLOW_CALLBACK = 256,
	KEY_LONG_TURN,
	KEY_BLOCKING_CALL,
	KEY_STUCK,
	KEY_WARMUP,
	KEY_DETECT,
	KEY_NO_DETECT,
	KEY_OWN_CODE,
	KEY_SERVICE,
	KEY_REPORT,
	KEY_FAIL_ON,
	KEY_ALLOW,
	KEY_BASELINE,
	KEY_UPDATE_BASELINE,
	KEY_ACCEPT_NEW,
	KEY_ANNOTATE,
	KEY_JSON,
	KEY_QUIET,
	KEY_NATIVE,
	KEY_STRICT,
	KEY_COLOR,
	KEY_BPF,
	KEY_CANCEL_GRACE,
	KEY_TASK_FLOOD,
	KEY_LATER,
};

/*
 * Of options that may be repeated, those of the command line take the place of those of the file
 * before it.
 */
void shared_begin_command_line(struct shared *shared)
{
	shared->are_outputs_old = shared->are_gates_old = shared->are_allowed_old = true;
}

static void take_duration(const char *name, const char *arg, nsec_t *ret_ns)
{
	if (duration_parse(arg, strlen(arg), ret_ns))
		cli_usage("--%s %s: not a duration; write 100ms, 1.5s or 2m", name, arg);
}

static uint32_t take_kinds(const char *name, const char *arg, bool must_be_detected)
{
	uint32_t mask = 0;

	while (*arg) {
		size_t length = strcspn(arg, ",");
		enum finding_kind kind;

		if (length && kind_parse(arg, length, &kind)) {
			const char *nearest = kind_nearest(arg, length);

			cli_usage("--%s %.*s: there is no such kind of finding%s%s%s", name,
				  (int)length, arg, nearest ? "; is " : "", nearest ? nearest : "",
				  nearest ? " meant?" : "");
		}
		if (length && must_be_detected && !kind_is_detected(kind))
			cli_usage("--%s %.*s: this kind is not detected by this version yet", name,
				  (int)length, arg);
		if (length)
			mask |= KIND_MASK(kind);
		arg += length + (arg[length] == ',');
	}
	return mask;
}

static error_t parse_limits(int key, char *arg, struct argp_state *state)
{
	struct shared *shared = state->input;

	switch (key) {
	case KEY_SLOW_CALLBACK:
		take_duration("slow-callback", arg, &shared->limits.slow_callback_ns);
		return 0;
	case KEY_LONG_TURN:
		take_duration("long-turn", arg, &shared->limits.long_turn_ns);
		return 0;
	case KEY_BLOCKING_CALL:
		take_duration("blocking-call", arg, &shared->limits.blocking_call_ns);
		return 0;
	case KEY_STUCK:
		take_duration("stuck", arg, &shared->limits.stuck_ns);
		return 0;
	case KEY_STRICT:
		shared->limits.is_strict = true;
		return 0;
	case KEY_NATIVE:
		shared->limits.is_native = true;
		return 0;
	case KEY_CANCEL_GRACE:
		take_duration("cancel-grace", arg, &shared->limits.cancel_grace_ns);
		return 0;
	case KEY_TASK_FLOOD:
		if (count_parse(arg, strlen(arg), &shared->limits.task_flood))
			cli_usage("--task-flood %s: a number of tasks, from 1 on", arg);
		return 0;
	case KEY_WARMUP:
		take_duration("warmup", arg, &shared->limits.warmup_ns);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option limits_options[] = {
	{0, 0, 0, 0, "What is a finding:", 1},
	{"slow-callback", KEY_SLOW_CALLBACK, "100ms", 0, "a callback this long", 1},
	{"long-turn", KEY_LONG_TURN, "100ms", 0, "a turn this long", 1},
	{"blocking-call", KEY_BLOCKING_CALL, "20ms", 0, "a call this long", 1},
	{"stuck", KEY_STUCK, "1s", 0, "a turn this long that has not ended", 1},
	{"cancel-grace", KEY_CANCEL_GRACE, "10s", 0, "a task goes on this long when cancelled", 1},
	{"task-flood", KEY_TASK_FLOOD, "5000", 0, "as many tasks made by a line in one turn", 1},
	{"warmup", KEY_WARMUP, "0s", 0, "judge nothing in a process before", 1},
	{"strict", KEY_STRICT, 0, 0, "every call that can block, however fast it was", 1},
	{"native", KEY_NATIVE, 0, 0, "native frames in the stacks too", 1},
	{0},
};

const struct argp shared_limits_argp = {.options = limits_options, .parser = parse_limits};

#define FORMATS                                                                       \
	".json, .jsonl, .txt, .md, .sarif, .xml (JUnit), .folded, .speedscope.json, " \
	".trace.json and .lhr"

static void take_output(struct shared *shared, const char *path)
{
	struct output *output;

	if (shared->are_outputs_old)
		shared->n_outputs = 0;
	shared->are_outputs_old = false;
	output = &shared->outputs[shared->n_outputs];
	if (shared->n_outputs == SHARED_MAX_OUTPUTS)
		cli_usage("--report %s: more than %d reports", path, SHARED_MAX_OUTPUTS);
	*output = (struct output)OUTPUT_INIT;
	output->path = path;
	switch (output_format_of(path, &output->format)) {
	case 0:
		shared->n_outputs++;
		return;
	case OUTPUT_E_LATER:
		cli_usage("--report %s: this format is not available yet; " FORMATS " are", path);
	default:
		cli_usage("--report %s: the suffix says the format: " FORMATS, path);
	}
}

static void take_annotate(struct shared *shared, const char *arg)
{
	if (!strcmp(arg, "github"))
		shared->annotates_github = true;
	else if (!strcmp(arg, "gitlab"))
		take_output(shared, "./gl-code-quality-report.json");
	else
		cli_usage("--annotate %s: github or gitlab", arg);
}

static void take_gate(struct shared *shared, const char *expr)
{
	struct gate_error error;

	if (shared->are_gates_old)
		shared->n_gates = 0;
	shared->are_gates_old = false;
	if (shared->n_gates == SHARED_MAX_GATES)
		cli_usage("--fail-on %s: more than %d gates", expr, SHARED_MAX_GATES);
	if (!gate_parse(expr, &shared->gates[shared->n_gates], &error)) {
		shared->n_gates++;
		return;
	}
	cli_say("--fail-on %s", expr);
	fprintf(stderr, "%*s^ %s%s%s%s\n", (int)(cli_indent() + strlen("--fail-on ") + error.at),
		"", error.text, error.nearest ? "; is " : "", error.nearest ? error.nearest : "",
		error.nearest ? " meant?" : "");
	exit(CLI_EXIT_USAGE);
}

static void take_color(struct shared *shared, const char *arg)
{
	if (!strcmp(arg, "always"))
		shared->is_colored = 1;
	else if (!strcmp(arg, "never"))
		shared->is_colored = 0;
	else if (!strcmp(arg, "auto"))
		shared->is_colored = -1;
	else
		cli_usage("--color %s: auto, always or never", arg);
}

static error_t parse_output(int key, char *arg, struct argp_state *state)
{
	struct shared *shared = state->input;

	switch (key) {
	case KEY_DETECT:
		shared->kinds = take_kinds("detect", arg, true);
		return 0;
	case KEY_NO_DETECT:
		shared->kinds &= ~take_kinds("no-detect", arg, false);
		return 0;
	case KEY_OWN_CODE:
		shared->own_code = arg;
		return 0;
	case KEY_SERVICE:
		shared->service = arg;
		return 0;
	case KEY_REPORT:
		take_output(shared, arg);
		return 0;
	case KEY_FAIL_ON:
		take_gate(shared, arg);
		return 0;
	case KEY_ALLOW:
		if (shared->are_allowed_old)
			shared->allow.n_entries = 0;
		shared->are_allowed_old = false;
		user_allow_load(&shared->allow, arg);
		return 0;
	case KEY_BASELINE:
		shared->baseline_path = arg;
		return 0;
	case KEY_UPDATE_BASELINE:
		shared->updates_baseline = true;
		return 0;
	case KEY_ACCEPT_NEW:
		shared->accepts_new = true;
		return 0;
	case KEY_ANNOTATE:
		take_annotate(shared, arg);
		return 0;
	case KEY_JSON:
		shared->is_json = true;
		return 0;
	case KEY_QUIET:
		shared->is_quiet = true;
		return 0;
	case KEY_COLOR:
		take_color(shared, arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option output_options[] = {
	{0, 0, 0, 0, "What is reported, and where:", 2},
	{"detect", KEY_DETECT, "KIND,...", 0, "look for these kinds of finding only", 2},
	{"no-detect", KEY_NO_DETECT, "KIND,...", 0, "leave these out", 2},
	{"own-code", KEY_OWN_CODE, "GLOB,...", 0, "installed code to treat as the user's own", 2},
	{"service", KEY_SERVICE, "NAME", 0, "the service the processes belong to", 2},
	{"report", KEY_REPORT, "PATH", 0, "write a report, in the format of the suffix; repeatable",
	 2},
	{"fail-on", KEY_FAIL_ON, "EXPR", 0, "exit 3 when it is broken: any, 'slow-callback>250ms'",
	 2},
	{"allow", KEY_ALLOW, "FILE", 0, "findings that are accepted, and why; repeatable", 2},
	{"baseline", KEY_BASELINE, "FILE", 0, "findings that were known: they break no gate", 2},
	{"update-baseline", KEY_UPDATE_BASELINE, 0, 0, "take out of it what is gone or less", 2},
	{"accept-new", KEY_ACCEPT_NEW, 0, 0, "and put in what is new or worse", 2},
	{"annotate", KEY_ANNOTATE, "WHERE", 0, "beside the changed lines: github, gitlab", 2},
	{"json", KEY_JSON, 0, 0, "JSON instead of text", 2},
	{"quiet", KEY_QUIET, 0, 0, "print nothing but errors and broken gates", 2},
	{"color", KEY_COLOR, "WHEN", 0, "auto, always, never", 2},
	{0},
};

const struct argp shared_output_argp = {.options = output_options, .parser = parse_output};

/* The options after KEY_LATER are its number of the table further. */
static const struct argp_option later_options[] = {
	{"bpf", KEY_BPF, "WHEN", 0, "exact causes from the kernel: auto (if it may), on; else off",
	 3},
	{"release", KEY_LATER + 9, "NAME", OPTION_HIDDEN, 0, 3},
	{"store", KEY_LATER + 10, "URL", OPTION_HIDDEN, 0, 3},
	{"since", KEY_LATER + 11, "DURATION", OPTION_HIDDEN, 0, 3},
	{0},
};

static void take_bpf(struct shared *shared, const char *arg)
{
	if (!strcmp(arg, "auto"))
		shared->bpf = BPF_AUTO;
	else if (!strcmp(arg, "on"))
		shared->bpf = BPF_ON;
	else if (!strcmp(arg, "off"))
		shared->bpf = BPF_OFF;
	else
		cli_usage("--bpf %s: auto, on or off", arg);
}

static error_t parse_later(int key, char *arg, struct argp_state *state)
{
	struct shared *shared = state->input;

	if (key == KEY_BPF && !shared)
		cli_usage("--bpf: nothing is watched here");
	if (key == KEY_BPF) {
		take_bpf(shared, arg);
		return 0;
	}
	for (size_t i = 0; key > KEY_LATER && later_options[i].name; i++)
		if (later_options[i].key == key)
			cli_usage("--%s is not available yet", later_options[i].name);
	return ARGP_ERR_UNKNOWN;
}

const struct argp shared_later_argp = {.options = later_options, .parser = parse_later};

/* LOOPHOUND_OPTIONS as it is, before the command line, which wins. */
void shared_take_environment(struct shared *shared)
{
	const char *text = getenv("LOOPHOUND_OPTIONS");
	char complaint[256] = "";

	if (text && options_parse(text, &shared->limits, complaint, sizeof(complaint)))
		cli_say("%s", complaint);
}

/* The limits as LOOPHOUND_OPTIONS for what is started. */
void shared_to_environment(const struct shared *shared, char *buf, size_t buf_bytes)
{
	const struct options *limits = &shared->limits;

	snprintf(buf, buf_bytes,
		 "slow-callback=%lluns,long-turn=%lluns,blocking-call=%lluns,stuck=%lluns,"
		 "warmup=%lluns,cancel-grace=%lluns,task-flood=%u%s%s",
		 (unsigned long long)limits->slow_callback_ns,
		 (unsigned long long)limits->long_turn_ns,
		 (unsigned long long)limits->blocking_call_ns, (unsigned long long)limits->stuck_ns,
		 (unsigned long long)limits->warmup_ns, (unsigned long long)limits->cancel_grace_ns,
		 limits->task_flood, limits->is_native ? ",native" : "",
		 limits->is_strict ? ",strict" : "");
}

/*
 * A gate on what is not looked for would pass for ever. Only when all options are read is known
 * what that is, since --detect may follow --fail-on.
 */
void shared_check_gates(const struct shared *shared)
{
	for (unsigned int i = 0; i < shared->n_gates; i++) {
		const struct gate_rule *gate = &shared->gates[i];

		if (gate_needs(gate) & ~shared->kinds)
			cli_usage("--fail-on %s: %s is switched off by --detect or --no-detect",
				  gate->expr, kind_name(gate->kind));
		if (gate->subject == GATE_ANY && !(shared->kinds & kinds_detected()))
			cli_usage("--fail-on %s: every kind is switched off by --detect or "
				  "--no-detect",
				  gate->expr);
	}
}

/* Likewise for verbs that watch; the others learn from the report whether it was strict. */
void shared_check_strict_gates(const struct shared *shared)
{
	for (unsigned int i = 0; i < shared->n_gates && !shared->limits.is_strict; i++)
		if (gate_needs(&shared->gates[i]) & kinds_strict())
			cli_usage("--fail-on %s: %s is looked for with --strict only",
				  shared->gates[i].expr, kind_name(shared->gates[i].kind));
}

void shared_report_options(const struct shared *shared, struct report_options *ret_options)
{
	*ret_options = (struct report_options){
		.slow_callback_ns = shared->limits.slow_callback_ns,
		.long_turn_ns = shared->limits.long_turn_ns,
		.blocking_call_ns = shared->limits.blocking_call_ns,
		.stuck_ns = shared->limits.stuck_ns,
		.warmup_ns = shared->limits.warmup_ns,
		.cancel_grace_ns = shared->limits.cancel_grace_ns,
		.is_strict = shared->limits.is_strict,
		.is_native = shared->limits.is_native,
		.kinds = shared->kinds,
		.own_code = shared->own_code,
	};
}

bool shared_wants_timeline(const struct shared *shared)
{
	for (unsigned int i = 0; i < shared->n_outputs; i++)
		if (output_is_timeline(&shared->outputs[i]))
			return true;
	return false;
}

bool shared_wants_recording(const struct shared *shared)
{
	for (unsigned int i = 0; i < shared->n_outputs; i++)
		if (output_is_recording(&shared->outputs[i]))
			return true;
	return false;
}

/* Have the kernel tell of waits. Return: 0, or the exit status, having said why. */
int shared_ask_kernel(const struct shared *shared, struct daemon *daemon)
{
	bool is_wanted = shared->bpf == BPF_AUTO || shared->bpf == BPF_ON;
	int r = is_wanted ? waits_new(daemon, &daemon->waits) : 0;

	if (!r || shared->bpf == BPF_AUTO)
		return 0;
	cli_say("--bpf on: %s", probe_complaint(r));
	return CLI_EXIT_NO_JOB;
}

/* Open every report for writing. Return: 0, or the exit status, having said why. */
int shared_open_outputs(struct shared *shared)
{
	for (unsigned int i = 0; i < shared->n_outputs; i++) {
		struct output *output = &shared->outputs[i];
		int r = output_open(output, output->path, output->format);

		if (r) {
			cli_say("cannot write %s: %s", output->path, strerror(-r));
			return CLI_EXIT_NO_JOB;
		}
	}
	return 0;
}

/* Return: 0, or the exit status, having said why; the other reports are written still. */
int shared_write_outputs(struct shared *shared, const struct report *report)
{
	int status = 0;

	for (unsigned int i = 0; i < shared->n_outputs; i++) {
		int r = output_write(&shared->outputs[i], report);

		if (r) {
			cli_say("cannot write %s: %s", shared->outputs[i].path, strerror(-r));
			status = CLI_EXIT_NO_JOB;
		}
		output_close(&shared->outputs[i]);
	}
	return status;
}
