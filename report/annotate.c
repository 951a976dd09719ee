/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Annotations
 *
 * GitHub: workflow commands, a line each, which its runner takes out of either stream of a step.
 * In the message "%" and line ends are escaped, in properties ":" and "," too (actions/toolkit,
 * packages/core/src/command.ts). A step shows ten of each level; the worst come first. Only what
 * counts is annotated: what is known or allowed is no news in a change.
 *
 * GitLab: the code quality report, an array of issues, which GitLab compares itself with that of
 * the target branch, so what is known stands in it too. A gate that is broken is an issue without
 * a place of its own.
 */
#include <inttypes.h>
#include <string.h>

#include "advice.h"
#include "annotate.h"
#include "put.h"
#include "stamp.h"
#include "verdict.h"

#define ANNOTATE_MAX_LINES 50

static void put_command(FILE *out, const char *text, const char *more)
{
	for (; text && *text; text++)
		if (*text == '%' || (unsigned char)*text < 0x20 || strchr(more, *text))
			fprintf(out, "%%%02X", (unsigned char)*text);
		else
			fputc(*text, out);
}

static const char *place_of_file(const struct report *report, const struct finding *finding)
{
	const char *below = path_below(finding->culprit.file, report->root_dir);

	return below ? below : finding->culprit.file;
}

static void put_words(FILE *out, const struct finding *finding)
{
	char message[ADVICE_BYTES];

	put_command(out, advice_message(finding, message, sizeof(message)), "");
	fprintf(out, " (%" PRIu64 " time%s", finding->count, finding->count == 1 ? "" : "s");
	if (finding->worse)
		fprintf(out, ", worse: %s", finding->worse);
	fputc(')', out);
	if (finding->n_tests) {
		fputs(", in ", out);
		put_command(out, finding->tests[0], "");
	}
	fputs(". ", out);
	put_command(out, advice_text(finding), "");
}

static void github_finding(FILE *out, const struct report *report, const struct finding *finding)
{
	static const char *const levels[] = {
		[SEVERITY_ERROR] = "error",
		[SEVERITY_WARNING] = "warning",
		[SEVERITY_NOTE] = "notice",
	};
	const char *file = place_of_file(report, finding);

	/* Whatever counts breaks the build where gates are asked for. */
	fprintf(out, "::%s ", report->n_gates ? "error" : levels[kind_severity(finding->kind)]);
	if (file) {
		fputs("file=", out);
		put_command(out, file, ":,");
		if (finding->culprit.line > 0)
			fprintf(out, ",line=%" PRId32, finding->culprit.line);
		fputc(',', out);
	}
	fprintf(out, "title=loophound%%3A %s::", kind_name(finding->kind));
	put_words(out, finding);
	fputc('\n', out);
}

void annotate_github(FILE *out, const struct report *report)
{
	char words[VERDICT_BYTES];
	uint32_t n = 0;

	/* The program may have left a line without its end: a command has to begin one. */
	fputc('\n', out);
	for (uint32_t i = 0; i < report->n_gates; i++) {
		if (report->gates[i].is_ok)
			continue;
		fputs("::error title=loophound::", out);
		put_command(out, verdict_words(&report->gates[i], report, words, sizeof(words)),
			    "");
		fputc('\n', out);
	}
	for (uint32_t i = 0; i < report->n_findings && n < ANNOTATE_MAX_LINES; i++)
		if (finding_counts(report->findings[i])) {
			github_finding(out, report, report->findings[i]);
			n++;
		}
	fflush(out);
}

static void gitlab_issue(FILE *out, const struct report *report, const struct finding *finding)
{
	static const char *const levels[] = {
		[SEVERITY_ERROR] = "critical",
		[SEVERITY_WARNING] = "major",
		[SEVERITY_NOTE] = "minor",
	};
	const char *file = place_of_file(report, finding);
	char text[ADVICE_BYTES];

	fputs("{\"description\":", out);
	put_json(out, advice_message(finding, text, sizeof(text)));
	fprintf(out, ",\"check_name\":\"%s\",\"fingerprint\":\"%s%08" PRIx32 "\",",
		kind_name(finding->kind), finding->fingerprint, finding->twin);
	fprintf(out, "\"severity\":\"%s\",\"location\":{\"path\":",
		levels[kind_severity(finding->kind)]);
	put_json(out, file ? file : "?");
	fprintf(out, ",\"lines\":{\"begin\":%" PRId32 "}}}", MAX(finding->culprit.line, 1));
}

/* Return: 0 or -ENOMEM. */
int annotate_gitlab(FILE *out, const struct report *report)
{
	char words[VERDICT_BYTES];
	int r = report_number_twins(report);
	bool is_further = false;

	fputc('[', out);
	for (uint32_t i = 0; i < report->n_gates; i++) {
		if (report->gates[i].is_ok)
			continue;
		fprintf(out, "%s\n{\"description\":", is_further ? "," : "");
		put_json(out, verdict_words(&report->gates[i], report, words, sizeof(words)));
		fprintf(out,
			",\"check_name\":\"gate\",\"fingerprint\":\"gate%08" PRIx32
			"\",\"severity\":\"blocker\",\"location\":{\"path\":\".\","
			"\"lines\":{\"begin\":1}}}",
			i);
		is_further = true;
	}
	for (uint32_t i = 0; i < report->n_findings; i++) {
		if (report->findings[i]->allowed_by)
			continue;
		fputs(is_further ? ",\n" : "\n", out);
		gitlab_issue(out, report, report->findings[i]);
		is_further = true;
	}
	fputs("\n]\n", out);
	return r;
}
