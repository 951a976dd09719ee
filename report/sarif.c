/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report as SARIF
 *
 * The Static Analysis Results Interchange Format 2.1.0 (OASIS). A rule for each kind, a result for
 * each finding. Files below the root of the repository are named from there, through the base id
 * ROOT; others by their whole path. Stacks are code flows, which run from the outermost frame to
 * the call. Gates stand as notifications of the one invocation, and as a property of the run.
 *
 * GitHub refuses a file with more than 25,000 results: the worst are written, and that there are
 * more is a notification.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "advice.h"
#include "put.h"
#include "sarif.h"
#include "stamp.h"
#include "verdict.h"

#define SARIF_MAX_RESULTS 25000
#define SARIF_SCHEMA                                                          \
	"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/" \
	"sarif-schema-2.1.0.json"

static void put_text(FILE *out, const char *text)
{
	fputs("{\"text\":", out);
	put_json(out, text && *text ? text : "?");
	fputc('}', out);
}

static void put_rule(FILE *out, const struct report *report, enum finding_kind kind)
{
	const char *help = report->kind_help ? report->kind_help(kind) : NULL;

	fputs("{\"id\":", out);
	put_json(out, kind_name(kind));
	fputs(",\"shortDescription\":", out);
	put_text(out, kind_summary(kind));
	fputs(",\"fullDescription\":", out);
	put_text(out, kind_summary(kind));
	fputs(",\"help\":", out);
	put_text(out, help ? help : kind_summary(kind));
	fprintf(out,
		",\"defaultConfiguration\":{\"level\":\"%s\"},"
		"\"properties\":{\"tags\":[\"asyncio\",\"performance\"],\"problem.severity\":"
		"\"%s\"}}",
		severity_name(kind_severity(kind)),
		kind_severity(kind) == SEVERITY_NOTE ? "recommendation"
						     : severity_name(kind_severity(kind)));
}

static void put_driver(FILE *out, const struct report *report)
{
	fputs("\"tool\":{\"driver\":{\"name\":\"loophound\",\"version\":\"" LOOPHOUND_VERSION
	      "\",\"semanticVersion\":\"" LOOPHOUND_VERSION "\",\n\"rules\":[",
	      out);
	for (unsigned int i = 0; i < _KIND_N; i++) {
		fputs(i ? ",\n" : "\n", out);
		put_rule(out, report, (enum finding_kind)i);
	}
	fputs("]}}", out);
}

/* Of a file that is one: code from exec() has a name and no place. */
static void put_place(FILE *out, const struct report *report, const struct frame *frame)
{
	const char *below = path_below(frame->file, report->root_dir);

	fputs("\"physicalLocation\":{\"artifactLocation\":{\"uri\":\"", out);
	if (!below && *frame->file == '/')
		fputs("file://", out);
	put_uri(out, below ? below : frame->file);
	fputs(below ? "\",\"uriBaseId\":\"ROOT\"}" : "\"}", out);
	if (frame->line > 0)
		fprintf(out, ",\"region\":{\"startLine\":%" PRId32 "}", frame->line);
	fputs("},", out);
}

static void put_location(FILE *out, const struct report *report, const struct frame *frame)
{
	fputc('{', out);
	if (frame->file && *frame->file && *frame->file != '<')
		put_place(out, report, frame);
	fputs("\"logicalLocations\":[{\"name\":", out);
	put_json(out, frame->function ? frame->function : "?");
	if (frame->module) {
		fputs(",\"fullyQualifiedName\":\"", out);
		put_uri(out, frame->module);
		fputc('.', out);
		put_uri(out, frame->function ? frame->function : "?");
		fputc('"', out);
	}
	fputs(",\"kind\":\"function\"}]}", out);
}

static void put_stack(FILE *out, const struct report *report, const struct stack *stack)
{
	fputs("{\"threadFlows\":[{\"locations\":[", out);
	for (uint32_t i = stack->n_frames; i-- > 0;) {
		fprintf(out, "{\"importance\":\"%s\",\"location\":",
			stack->frames[i].is_own ? "essential" : "unimportant");
		put_location(out, report, &stack->frames[i]);
		fputs(i ? "},\n" : "}", out);
	}
	fputs("]}]}", out);
}

static void put_stacks(FILE *out, const struct report *report, const struct finding *finding)
{
	bool is_further = false;

	for (uint32_t i = 0; i < finding->n_stacks; i++) {
		if (!finding->stacks[i]->n_frames)
			continue;
		fputs(is_further ? ",\n" : ",\n\"codeFlows\":[", out);
		put_stack(out, report, finding->stacks[i]);
		is_further = true;
	}
	if (is_further)
		fputc(']', out);
}

static void put_message(FILE *out, const struct finding *finding)
{
	char message[ADVICE_BYTES], longest[STAMP_BYTES], *text = NULL;
	size_t n;
	FILE *words = open_memstream(&text, &n);

	if (!words)
		return;
	fprintf(words, "%s (%" PRIu64 " time%s", advice_message(finding, message, sizeof(message)),
		finding->count, finding->count == 1 ? "" : "s");
	if (kind_is_timed(finding->kind))
		fprintf(words, ", longest %s", stamp_span(finding->max_ns, longest));
	fputc(')', words);
	if (finding->n_tests)
		fprintf(words, ", in %s", finding->tests[0]);
	fprintf(words, ". %s", advice_text(finding));
	fclose(words);
	fputs(",\"message\":", out);
	put_text(out, text);
	free(text);
}

static void put_states(FILE *out, const struct finding *finding)
{
	static const char *const states[] = {
		[BASELINE_NEW] = "new",
		[BASELINE_KNOWN] = "unchanged",
		[BASELINE_WORSE] = "updated",
	};

	if (finding->baseline)
		fprintf(out, ",\"baselineState\":\"%s\"", states[finding->baseline]);
	if (!finding->allowed_by)
		return;
	fputs(",\"suppressions\":[{\"kind\":\"external\",\"justification\":", out);
	put_json(out, finding->allowed_by);
	fputs("}]", out);
}

static void put_result(FILE *out, const struct report *report, const struct finding *finding)
{
	fprintf(out, "{\"ruleId\":\"%s\",\"ruleIndex\":%d,\"level\":\"%s\"",
		kind_name(finding->kind), (int)finding->kind,
		severity_name(kind_severity(finding->kind)));
	put_message(out, finding);
	fputs(",\"locations\":[", out);
	put_location(out, report, &finding->culprit);
	/* Two lines of one function have one fingerprint, and are two alerts. */
	fprintf(out,
		"],\"partialFingerprints\":{\"loophound/v1\":\"%s\","
		"\"primaryLocationLineHash\":\"%s:%" PRIu32 "\"},\"occurrenceCount\":%" PRIu64,
		finding->fingerprint, finding->fingerprint, finding->twin + 1,
		MIN(finding->count, (uint64_t)INT32_MAX));
	put_states(out, finding);
	put_stacks(out, report, finding);
	fprintf(out,
		",\n\"properties\":{\"total_ns\":%" PRIu64 ",\"max_ns\":%" PRIu64 ",\"tests\":[",
		finding->total_ns, finding->max_ns);
	for (uint32_t i = 0; i < finding->n_tests; i++) {
		fputs(i ? "," : "", out);
		put_json(out, finding->tests[i]);
	}
	fputs("]}}", out);
}

static void put_notification(FILE *out, bool is_first, const char *level, const char *text)
{
	fprintf(out, "%s\n{\"level\":\"%s\",\"message\":", is_first ? "" : ",", level);
	put_text(out, text);
	fputc('}', out);
}

static void put_notifications(FILE *out, const struct report *report)
{
	char text[VERDICT_BYTES];
	bool is_first = true;

	for (uint32_t i = 0; i < report->n_gates; i++, is_first = false)
		put_notification(out, is_first, report->gates[i].is_ok ? "note" : "error",
				 verdict_words(&report->gates[i], report, text, sizeof(text)));
	for (unsigned int i = 0; i < _LOST_N; i++) {
		if (!report->lost.n[i])
			continue;
		snprintf(text, sizeof(text), "not seen: %s %" PRIu64 " (%s)",
			 lost_name((enum lost)i), report->lost.n[i], lost_text((enum lost)i));
		put_notification(out, is_first, "warning", text);
		is_first = false;
	}
	if (report->n_findings > SARIF_MAX_RESULTS) {
		snprintf(text, sizeof(text), "%" PRIu32 " more findings are left out",
			 report->n_findings - SARIF_MAX_RESULTS);
		put_notification(out, is_first, "warning", text);
		is_first = false;
	}
	if (report_unmeasured(report)) {
		snprintf(text, sizeof(text), "%s: nothing was measured", report_unmeasured(report));
		put_notification(out, is_first, "error", text);
	}
}

static void put_invocation(FILE *out, const struct report *report)
{
	char started[STAMP_BYTES], ended[STAMP_BYTES];

	fprintf(out,
		",\n\"invocations\":[{\"executionSuccessful\":%s,\"startTimeUtc\":\"%s\","
		"\"endTimeUtc\":\"%s\",\"toolExecutionNotifications\":[",
		report_unmeasured(report) ? "false" : "true",
		stamp_utc(report->started_at, started), stamp_utc(report->ended_at, ended));
	put_notifications(out, report);
	fputs("]}]", out);
}

static void put_gates(FILE *out, const struct report *report)
{
	fputs(",\n\"properties\":{\"gates\":[", out);
	for (uint32_t i = 0; i < report->n_gates; i++) {
		fputs(i ? ",{\"expr\":" : "{\"expr\":", out);
		put_json(out, report->gates[i].expr);
		fprintf(out, ",\"ok\":%s}", report->gates[i].is_ok ? "true" : "false");
	}
	fputs("]}", out);
}

/* Return: 0 or -ENOMEM. */
int sarif_write(FILE *out, const struct report *report)
{
	int r = report_number_twins(report);

	if (r)
		return r;
	fputs("{\"$schema\":\"" SARIF_SCHEMA "\",\"version\":\"2.1.0\",\"runs\":[{\n", out);
	put_driver(out, report);
	if (report->root_dir) {
		fputs(",\n\"originalUriBaseIds\":{\"ROOT\":{\"uri\":\"file://", out);
		put_uri(out, report->root_dir);
		fputs("/\"}}", out);
	}
	put_invocation(out, report);
	fputs(",\n\"results\":[", out);
	for (uint32_t i = 0; i < report->n_findings && i < SARIF_MAX_RESULTS; i++) {
		fputs(i ? ",\n" : "\n", out);
		put_result(out, report, report->findings[i]);
	}
	fputs("]", out);
	put_gates(out, report);
	fputs("}]}\n", out);
	return 0;
}
