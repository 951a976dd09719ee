/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report as JSON
 *
 * The fields are promises (docs/report.schema.json). All of them are always there: what is not
 * known or could not be measured is null, and a list is empty rather than missing. jansson keeps
 * the order in which keys are set, so equal reports are equal byte by byte.
 */
#include <errno.h>
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
	return json_pack("{s:i, s:i, s:s?, s:s, s:I, s:I, s:I, s:I, s:f, s:o, s:o, s:o}", "pid",
			 loop->pid, "tid", loop->tid, "thread", loop->thread, "framework",
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
			 "s:{s:I}, s:s?, s:o}",
			 "pid", process->pid, "ppid", process->ppid, "started",
			 stamp_utc(process->started_at, started), "cmdline", argv, "service",
			 process->service, "python", "version", process->version, "implementation",
			 process->implementation, "build", process->build, "via", process->via,
			 "detectors", json_detectors(process->detectors), "exit",
			 json_exit(process), "not_blamed", "descheduled",
			 count_of(process->n_descheduled), "complaint", process->complaint, "lost",
			 json_losses(&process->lost));
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

/* The whole report. Return: a new reference; NULL without memory. */
json_t *json_report(const struct report *report)
{
	json_t *json = json_head(JSON_SCHEMA_REPORT, report);
	json_t *findings = json_array(), *gates = json_array();

	json_set_watched(json, report, true);
	for (uint32_t i = 0; i < report->n_findings; i++)
		json_array_append_new(findings, json_finding(report->findings[i]));
	for (uint32_t i = 0; i < report->n_gates; i++)
		json_array_append_new(gates, json_gate(&report->gates[i]));
	json_object_set_new(json, "findings", findings);
	json_object_set_new(json, "gates", gates);
	json_object_set_new(json, "allow", json_allowances(report));
	json_object_set_new(json, "baseline", json_baseline(report));
	json_object_set_new(json, "lost", json_losses(&report->lost));
	return json;
}

/* What is watched, without findings and buckets. Return: likewise. */
json_t *json_status(const struct report *report)
{
	json_t *json = json_head(JSON_SCHEMA_STATUS, report);

	json_set_watched(json, report, false);
	json_object_set_new(json, "lost", json_losses(&report->lost));
	return json;
}

static int write_all(const char *buf, size_t n_bytes, void *userdata)
{
	int fd = *(int *)userdata;

	while (n_bytes) {
		ssize_t n = write(fd, buf, n_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		buf += n;
		n_bytes -= (size_t)n;
	}
	return 0;
}

/* Return: 0 or a negative errno. */
int json_write(int fd, json_t *json)
{
	int r;

	if (!json)
		return -ENOMEM;
	errno = 0;
	r = json_dump_callback(json, write_all, &fd, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
	if (!r)
		r = write_all("\n", 1, &fd);
	return r ? -(errno ? errno : ENOMEM) : 0;
}

/* Return: 0 or a negative errno. */
static int write_line(int fd, json_t *json)
{
	int r;

	if (!json)
		return -ENOMEM;
	errno = 0;
	r = json_dump_callback(json, write_all, &fd, JSON_COMPACT);
	json_decref(json);
	if (!r)
		r = write_all("\n", 1, &fd);
	return r ? -(errno ? errno : ENOMEM) : 0;
}

/*
 * One finding a line (.jsonl), and then, where gates were asked for, one gate a line: an object
 * with the one key "gate". Return: 0 or a negative errno.
 */
int json_write_lines(int fd, const struct report *report)
{
	int r = 0;

	for (uint32_t i = 0; !r && i < report->n_findings; i++)
		r = write_line(fd, json_finding(report->findings[i]));
	for (uint32_t i = 0; !r && i < report->n_gates; i++)
		r = write_line(fd, json_pack("{s:o}", "gate", json_gate(&report->gates[i])));
	return r;
}
