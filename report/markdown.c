/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report as Markdown
 *
 * For the page a CI shows of a job, which takes a MiB (GitHub): first what the gates say, then a
 * table of the findings that count, then the others, folded away, then what was watched and what
 * was not seen. Paths are shown from the root of the repository.
 */
#include <inttypes.h>

#include "advice.h"
#include "markdown.h"
#include "put.h"
#include "stamp.h"
#include "verdict.h"

#define MARKDOWN_MAX_FINDINGS 100
#define MARKDOWN_MAX_GONE     50
#define MARKDOWN_MAX_LOOPS    20

static void put_code(FILE *out, const char *text)
{
	fputs("<code>", out);
	put_markdown(out, text);
	fputs("</code>", out);
}

static void markdown_gates(FILE *out, const struct report *report)
{
	char words[VERDICT_BYTES];

	for (uint32_t i = 0; i < report->n_gates; i++) {
		const struct gate *gate = &report->gates[i];

		fputs(gate->is_ok ? "- :white_check_mark: " : "- :x: ", out);
		put_markdown(out, verdict_words(gate, report, words, sizeof(words)));
		fputc('\n', out);
	}
	if (report->n_gates)
		fputc('\n', out);
}

static void markdown_site(FILE *out, const struct report *report, const struct frame *frame)
{
	const char *below = path_below(frame->file, report->root_dir);
	const char *file = below ? below : frame->file ? frame->file : "?";
	char line[16] = "";

	if (frame->line > 0)
		snprintf(line, sizeof(line), ":%" PRId32, frame->line);
	fputs("<code>", out);
	put_markdown(out, file);
	fprintf(out, "%s</code><br>", line);
	put_markdown(out, frame->function ? frame->function : "?");
}

static void markdown_sizes(FILE *out, const struct finding *finding)
{
	char total[STAMP_BYTES], longest[STAMP_BYTES];

	if (kind_is_timed(finding->kind))
		fprintf(out, "| %s | %" PRIu64 " | %s ", stamp_span(finding->total_ns, total),
			finding->count, stamp_span(finding->max_ns, longest));
	else
		fprintf(out, "| | %" PRIu64 " | ", finding->count);
}

static void markdown_row(FILE *out, const struct report *report, const struct finding *finding)
{
	char message[ADVICE_BYTES];

	markdown_sizes(out, finding);
	fprintf(out, "| **%s**", kind_name(finding->kind));
	if (finding->baseline)
		fprintf(out, " (%s%s%s)", baseline_state_name(finding->baseline),
			finding->worse ? ": " : "", finding->worse ? finding->worse : "");
	fputs("<br>", out);
	markdown_site(out, report, &finding->culprit);
	fputs(" | ", out);
	put_markdown(out, advice_message(finding, message, sizeof(message)));
	fputs("<br>", out);
	put_markdown(out, advice_text(finding));
	for (uint32_t i = 0; i < finding->n_tests; i++) {
		fputs(i ? ", " : "<br>in ", out);
		put_code(out, finding->tests[i]);
	}
	if (finding->allowed_by) {
		fputs("<br>allowed: ", out);
		put_markdown(out, finding->allowed_by);
	}
	fputs(" |\n", out);
}

static void markdown_table(FILE *out, const struct report *report, bool counts, uint32_t n)
{
	uint32_t n_shown = 0;

	fputs("| blocked | times | longest | finding | what, and what to do |\n"
	      "|---:|---:|---:|---|---|\n",
	      out);
	for (uint32_t i = 0; i < report->n_findings && n_shown < MARKDOWN_MAX_FINDINGS; i++) {
		if (finding_counts(report->findings[i]) != counts)
			continue;
		markdown_row(out, report, report->findings[i]);
		n_shown++;
	}
	fputc('\n', out);
	if (n > n_shown)
		fprintf(out, "And %" PRIu32 " more.\n\n", n - n_shown);
}

static void markdown_findings(FILE *out, const struct report *report)
{
	const char *unmeasured = report_unmeasured(report);
	uint32_t n_counting = 0, n_others;

	for (uint32_t i = 0; i < report->n_findings; i++)
		n_counting += finding_counts(report->findings[i]);
	n_others = report->n_findings - n_counting;
	if (n_counting)
		markdown_table(out, report, true, n_counting);
	else if (unmeasured)
		fprintf(out, "**Nothing was measured: %s.**\n\n", unmeasured);
	else
		fputs("No finding that counts.\n\n", out);
	if (!n_others)
		return;
	fprintf(out, "<details><summary>%" PRIu32 " known or allowed</summary>\n\n", n_others);
	markdown_table(out, report, false, n_others);
	fputs("</details>\n\n", out);
}

static void markdown_gone(FILE *out, const struct report *report)
{
	if (!report->baseline.n_gone)
		return;
	fprintf(out, "<details><summary>%" PRIu32 " of the baseline are gone</summary>\n\n",
		report->baseline.n_gone);
	for (uint32_t i = 0; i < report->baseline.n_gone && i < MARKDOWN_MAX_GONE; i++) {
		fputs("- ", out);
		put_code(out, report->baseline.gone[i].site);
		fputc('\n', out);
	}
	if (report->baseline.n_gone > MARKDOWN_MAX_GONE)
		fprintf(out, "- and %" PRIu32 " more\n",
			report->baseline.n_gone - MARKDOWN_MAX_GONE);
	fputs("\n</details>\n\n", out);
}

static void markdown_loops(FILE *out, const struct report *report)
{
	char span[STAMP_BYTES], lag[STAMP_BYTES];

	fprintf(out, "Watched for %s: %" PRIu32 " process%s, %" PRIu32 " loop%s.\n\n",
		stamp_span(report->ended_at > report->started_at
				   ? report->ended_at - report->started_at
				   : 0,
			   span),
		report->n_processes, report->n_processes == 1 ? "" : "es", report->n_loops,
		report->n_loops == 1 ? "" : "s");
	if (!report->n_loops)
		return;
	fputs("| pid | loop | busy | turns | longest turn | lag p99 |\n"
	      "|---:|---|---:|---:|---:|---:|\n",
	      out);
	for (uint32_t i = 0; i < report->n_loops && i < MARKDOWN_MAX_LOOPS; i++) {
		const struct loop *loop = &report->loops[i];

		if (loop->is_warming) {
			fprintf(out, "| %" PRId32 " | %s | warm-up | | | |\n", loop->pid,
				loop->framework);
			continue;
		}
		fprintf(out, "| %" PRId32 " | %s | %.0f %% | %" PRIu64 " | %s | %s |\n", loop->pid,
			loop->framework, loop_utilisation(loop) * 100, loop->turns,
			stamp_span(loop->turn.max_ns, span), stamp_span(loop->lag.p99_ns, lag));
	}
	fputc('\n', out);
	if (report->n_loops > MARKDOWN_MAX_LOOPS)
		fprintf(out, "And %" PRIu32 " more.\n\n", report->n_loops - MARKDOWN_MAX_LOOPS);
}

static void markdown_lost(FILE *out, const struct report *report)
{
	if (report_is_of_kernel(report))
		fputs("Out of reach from outside: never-awaited and what else takes no time; "
		      "`loophound run` sees it.\n\n",
		      out);
	if (!losses_sum(&report->lost))
		fputs("Nothing was lost.\n", out);
	for (unsigned int i = 0; i < _LOST_N; i++)
		if (report->lost.n[i])
			fprintf(out, "- not seen: %s %" PRIu64 " (%s)\n", lost_name((enum lost)i),
				report->lost.n[i], lost_text((enum lost)i));
}

void markdown_write(FILE *out, const struct report *report)
{
	fputs("## loophound\n\n", out);
	markdown_gates(out, report);
	markdown_findings(out, report);
	markdown_gone(out, report);
	markdown_loops(out, report);
	markdown_lost(out, report);
}
