/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report as JSON
 *
 * The fields are promises (docs/report.schema.json). All of them are always there: what is not
 * known or could not be measured is null, and a list is empty rather than missing. jansson keeps
 * the order in which keys are set, so equal reports are equal byte by byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "stamp.h"
#include "wire/region.h"

/* JSON numbers beyond 2^63 - 1 would come out negative. */
static json_int_t count_of(uint64_t n)
{
	return (json_int_t)MIN(n, (uint64_t)INT64_MAX);
}

static json_t *json_figure(const struct figure *figure, bool has_buckets)
{
	json_t *buckets = json_array();

	for (uint32_t i = 0; has_buckets && i < figure->n_buckets; i++)
		json_array_append_new(buckets,
				      json_pack("[I, I]", count_of(figure->buckets[i].upper_ns),
						count_of(figure->buckets[i].n)));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "count", count_of(figure->count),
			 "p50_ns", count_of(figure->p50_ns), "p90_ns", count_of(figure->p90_ns),
			 "p99_ns", count_of(figure->p99_ns), "p999_ns", count_of(figure->p999_ns),
			 "max_ns", count_of(figure->max_ns), "buckets", buckets);
}

static json_t *json_loop(const struct loop *loop, bool has_buckets)
{
	char started[STAMP_BYTES];

	return json_pack("{s:i, s:i, s:s, s:s?, s:s, s:I, s:I, s:I, s:I, s:f, s:o, s:o, s:o}",
			 "pid", loop->pid, "tid", loop->tid, "process_started",
			 stamp_utc(loop->started_at, started), "thread", loop->thread, "framework",
			 loop->framework, "turns", count_of(loop->turns), "callbacks",
			 count_of(loop->callbacks), "busy_ns", count_of(loop->busy_ns), "idle_ns",
			 count_of(loop->idle_ns), "utilisation", loop_utilisation(loop), "turn",
			 json_figure(&loop->turn, has_buckets), "callback",
			 json_figure(&loop->callback, has_buckets), "lag",
			 json_figure(&loop->lag, has_buckets));
}

static json_t *json_losses(const struct losses *losses)
{
	json_t *json = json_object();

	for (unsigned int i = 0; i < _LOST_N; i++)
		json_object_set_new(json, lost_name((enum lost)i),
				    json_integer(count_of(losses->n[i])));
	return json;
}

static json_t *json_detectors(uint32_t detectors)
{
	json_t *json = json_array();

	for (unsigned int i = 0; i < DETECTOR_N; i++)
		if (detectors & (1u << i))
			json_array_append_new(json, json_string(detector_name(i)));
	return json;
}

static json_t *json_exit(const struct process *process)
{
	if (process->exit_how == EXIT_RUNNING)
		return json_null();
	return json_pack(
		"{s:o, s:o}", "status",
		process->exit_how == EXIT_STATUS ? json_integer(process->exit_value) : json_null(),
		"signal",
		process->exit_how == EXIT_SIGNAL ? json_integer(process->exit_value) : json_null());
}

static json_t *json_process(const struct process *process)
{
	json_t *argv = json_array();
	char started[STAMP_BYTES];

	for (uint32_t i = 0; i < process->n_argv; i++)
		json_array_append_new(argv, json_string(process->argv[i] ? process->argv[i] : ""));
	return json_pack("{s:i, s:i, s:s, s:o, s:s?, s:{s:s?, s:s?, s:s?}, s:s, s:o, s:o, "
			 "s:{s:I, s:I}, s:s?, s:o}",
			 "pid", process->pid, "ppid", process->ppid, "started",
			 stamp_utc(process->started_at, started), "cmdline", argv, "service",
			 process->service, "python", "version", process->version, "implementation",
			 process->implementation, "build", process->build, "via", process->via,
			 "detectors", json_detectors(process->detectors), "exit",
			 json_exit(process), "not_blamed", "descheduled",
			 count_of(process->n_descheduled), "gil", count_of(process->n_gil),
			 "complaint", process->complaint, "lost", json_losses(&process->lost));
}

static json_t *json_kinds(uint32_t kinds)
{
	json_t *json = json_array();

	for (unsigned int i = 0; i < _KIND_N; i++)
		if ((kinds & KIND_MASK(i)) && kind_is_detected((enum finding_kind)i))
			json_array_append_new(json, json_string(kind_name((enum finding_kind)i)));
	return json;
}

static json_t *json_options(const struct report_options *options)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:o, s:s?}", "slow_callback_ns",
			 count_of(options->slow_callback_ns), "long_turn_ns",
			 count_of(options->long_turn_ns), "blocking_call_ns",
			 count_of(options->blocking_call_ns), "stuck_ns",
			 count_of(options->stuck_ns), "warmup_ns", count_of(options->warmup_ns),
			 "cancel_grace_ns", count_of(options->cancel_grace_ns), "strict",
			 options->is_strict, "native", options->is_native, "detect",
			 json_kinds(options->kinds), "own_code", options->own_code);
}

static json_t *json_gate(const struct gate *gate)
{
	return json_pack("{s:s, s:o, s:f, s:b}", "expr", gate->expr, "value",
			 gate->is_measured ? json_real(gate->value) : json_null(), "limit",
			 gate->limit, "ok", gate->is_ok);
}

static json_t *json_allowances(const struct report *report)
{
	json_t *allowances = json_array();

	for (uint32_t i = 0; i < report->n_allowances; i++) {
		const struct allowance *each = &report->allowances[i];

		json_array_append_new(allowances,
				      json_pack("{s:s, s:s, s:i, s:i, s:b}", "reason", each->reason,
						"file", each->origin, "line", (int)each->line,
						"findings", (int)each->n_findings, "expired",
						each->is_expired));
	}
	return allowances;
}

/* Return: null when no baseline was given. */
static json_t *json_baseline(const struct report *report)
{
	uint32_t n[BASELINE_WORSE + 1] = {0};
	json_t *gone = json_array();

	for (uint32_t i = 0; i < report->n_findings; i++)
		n[report->findings[i]->baseline]++;
	for (uint32_t i = 0; i < report->baseline.n_gone; i++)
		json_array_append_new(gone, json_pack("{s:s, s:s}", "fingerprint",
						      report->baseline.gone[i].fingerprint, "site",
						      report->baseline.gone[i].site));
	if (!report->baseline.path) {
		json_decref(gone);
		return json_null();
	}
	return json_pack("{s:s, s:i, s:i, s:i, s:o}", "file", report->baseline.path, "new",
			 (int)n[BASELINE_NEW], "worse", (int)n[BASELINE_WORSE], "known",
			 (int)n[BASELINE_KNOWN], "gone", gone);
}

static json_t *json_head(const char *schema, const struct report *report)
{
	char started[STAMP_BYTES], ended[STAMP_BYTES];

	return json_pack("{s:s, s:{s:s, s:s}, s:s, s:s, s:s, s:o}", "schema", schema, "tool",
			 "name", "loophound", "version",
			 report->tool_version ? report->tool_version : LOOPHOUND_VERSION, "host",
			 report->host ? report->host : "", "started",
			 stamp_utc(report->started_at, started), "ended",
			 stamp_utc(report->ended_at, ended), "options",
			 json_options(&report->options));
}

static void json_set_watched(json_t *json, const struct report *report, bool has_buckets)
{
	json_t *processes = json_array(), *loops = json_array();

	for (uint32_t i = 0; i < report->n_processes; i++)
		json_array_append_new(processes, json_process(&report->processes[i]));
	for (uint32_t i = 0; i < report->n_loops; i++)
		json_array_append_new(loops, json_loop(&report->loops[i], has_buckets));
	json_object_set_new(json, "processes", processes);
	json_object_set_new(json, "loops", loops);
}

/* What is watched, without findings and buckets. Return: likewise. */
json_t *json_status(const struct report *report)
{
	json_t *json = json_head(JSON_SCHEMA_STATUS, report);

	json_set_watched(json, report, false);
	json_object_set_new(json, "lost", json_losses(&report->lost));
	return json;
}

/* Return: 0 or a negative errno. */
static int written(FILE *out)
{
	return ferror(out) ? -(errno ? errno : EIO) : 0;
}

/* A value; taken. Return: 0 or a negative errno. */
static int write_value(FILE *out, json_t *value, size_t flags)
{
	int r;

	if (!value)
		return -ENOMEM;
	errno = 0;
	r = json_dumpf(value, out, flags | JSON_REAL_PRECISION(12) | JSON_ENCODE_ANY);
	json_decref(value);
	return r ? -(errno ? errno : ENOMEM) : 0;
}

/* Taken, too. Return: 0 or a negative errno. */
int json_write(FILE *out, json_t *json)
{
	int r = write_value(out, json, JSON_INDENT(1));

	fputc('\n', out);
	return r ? r : written(out);
}

static int write_findings(FILE *out, const struct report *report)
{
	int r = 0;

	fputs("\"findings\": [", out);
	for (uint32_t i = 0; !r && i < report->n_findings; i++) {
		fputs(i ? ",\n" : "\n", out);
		r = write_value(out, json_finding(report->findings[i]), JSON_INDENT(1));
	}
	fputs(report->n_findings ? "\n]" : "]", out);
	return r;
}

static json_t *json_gates(const struct report *report)
{
	json_t *gates = json_array();

	for (uint32_t i = 0; i < report->n_gates; i++)
		json_array_append_new(gates, json_gate(&report->gates[i]));
	return gates;
}

/* The members of an object, each with a comma in front of it or behind. */
static int write_members(FILE *out, json_t *json, const char *before, const char *behind)
{
	const char *key;
	json_t *value;
	int r = json ? 0 : -ENOMEM;

	json_object_foreach(json, key, value) {
		fprintf(out, "%s\"%s\": ", before, key);
		if (!r)
			r = write_value(out, json_incref(value), JSON_INDENT(1));
		fputs(behind, out);
	}
	json_decref(json);
	return r;
}

/*
 * The whole report. The findings go out one by one: as values all of them would take ten times the
 * room of their text. Return: 0 or a negative errno.
 */
int json_write_report(FILE *out, const struct report *report)
{
	json_t *head = json_head(JSON_SCHEMA_REPORT, report), *foot = json_object();
	int r;

	json_set_watched(head, report, true);
	json_object_set_new(foot, "gates", json_gates(report));
	json_object_set_new(foot, "allow", json_allowances(report));
	json_object_set_new(foot, "baseline", json_baseline(report));
	json_object_set_new(foot, "lost", json_losses(&report->lost));
	fputs("{\n", out);
	r = write_members(out, head, "", ",\n");
	if (!r)
		r = write_findings(out, report);
	if (!r)
		r = write_members(out, foot, ",\n", "");
	else
		json_decref(foot);
	fputs("\n}\n", out);
	return r ? r : written(out);
}

/*
 * One finding a line (.jsonl), and then, where gates were asked for, one gate a line: an object
 * with the one key "gate". Return: 0 or a negative errno.
 */
int json_write_lines(FILE *out, const struct report *report)
{
	int r = 0;

	for (uint32_t i = 0; !r && i < report->n_findings; i++) {
		r = write_value(out, json_finding(report->findings[i]), JSON_COMPACT);
		fputc('\n', out);
	}
	for (uint32_t i = 0; !r && i < report->n_gates; i++) {
		json_t *gate = json_pack("{s:o}", "gate", json_gate(&report->gates[i]));

		r = write_value(out, gate, JSON_COMPACT);
		fputc('\n', out);
	}
	return r ? r : written(out);
}

/* The report, or with is_status what is watched, to a descriptor. Return: likewise. */
int json_write_fd(int fd, const struct report *report, bool is_status)
{
	int copy_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0), r;
	FILE *out = copy_fd < 0 ? NULL : fdopen(copy_fd, "w");

	if (!out) {
		r = -errno;
		if (copy_fd >= 0)
			close(copy_fd);
		return r;
	}
	r = is_status ? json_write(out, json_status(report)) : json_write_report(out, report);
	errno = 0;
	if (fclose(out) && !r)
		r = -errno;
	return r;
}
