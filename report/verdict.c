/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verdict
 *
 * In the report, below the findings, the number that broke the gate is enough. Where no report is
 * shown, as with --quiet, one line has to say also which finding was the worst, or a failed build
 * would have to be run again to learn anything.
 *
 * A gate knows its expression only, since it may come from a report that was loaded; it is read
 * again for what it is about.
 */
#include <inttypes.h>

#include "gate.h"
#include "pool.h"
#include "stamp.h"
#include "verdict.h"

static bool breaks(const struct gate_rule *rule, const struct finding *finding)
{
	if (!finding_counts(finding))
		return false;
	if (rule->subject == GATE_ANY)
		return true;
	if (!gate_needs(rule) || finding->kind != rule->kind)
		return false;
	if (rule->subject == GATE_KIND_SIZE)
		return finding->n > rule->limit;
	return rule->subject != GATE_KIND_SPAN || (double)finding->max_ns > rule->limit;
}

/* The findings that break it, and the first of them, which is the worst. */
static uint32_t count_breaking(const struct gate_rule *rule, const struct report *report,
			       const struct finding **ret_worst)
{
	uint32_t n = 0;

	*ret_worst = NULL;
	for (uint32_t i = 0; i < report->n_findings; i++)
		if (breaks(rule, report->findings[i]) && !n++)
			*ret_worst = report->findings[i];
	return n;
}

static void print_reason(FILE *out, const struct gate_rule *rule, const struct gate *gate,
			 const struct report *report)
{
	const struct finding *worst;
	char span[STAMP_BYTES];
	uint32_t n = count_breaking(rule, report, &worst);

	switch (rule->subject) {
	case GATE_ANY:
	case GATE_KIND:
	case GATE_KIND_SPAN:
	case GATE_KIND_SIZE:
		fprintf(out, "%" PRIu32 " finding%s", n, n == 1 ? "" : "s");
		return;
	case GATE_KIND_COUNT:
		fprintf(out, "%.0f times", gate->value);
		return;
	case GATE_LAG_P99:
	case GATE_TURN_MAX:
		fputs(stamp_span((nsec_t)gate->value, span), out);
		return;
	case GATE_UTILISATION:
		fprintf(out, "%.0f %%", gate->value * 100);
		return;
	case GATE_LOST:
		fprintf(out, "%.0f lost", gate->value);
		return;
	}
}

static const char *unmeasured_reason(const struct gate *gate, const struct report *report)
{
	struct gate_error error;
	const char *unmeasured = report_unmeasured(report);
	struct gate_rule rule;

	if (unmeasured)
		return unmeasured;
	if (report_damaged(report))
		return report_damaged(report);
	if (!gate_parse(gate->expr, &rule, &error) && gate_lacks_strict(&rule, report))
		return "it is looked for with --strict only";
	return "its detector was not live";
}

/* Return: whether it failed for a reason that can be told. */
static bool print_outcome(FILE *out, const struct gate *gate, const struct report *report,
			  struct gate_rule *ret_rule)
{
	struct gate_error error;

	fputs("--fail-on ", out);
	text_print(out, gate->expr, 40);
	if (gate->is_ok) {
		fputs(": passed", out);
		return false;
	}
	if (!gate->is_measured) {
		fputs(": could not be checked: ", out);
		fputs(unmeasured_reason(gate, report), out);
		return false;
	}
	fputs(": FAILED", out);
	return !gate_parse(gate->expr, ret_rule, &error);
}

/* For a report that shows the findings too; without a newline. */
void verdict_print(FILE *out, const struct gate *gate, const struct report *report)
{
	struct gate_rule rule;

	if (!print_outcome(out, gate, report, &rule))
		return;
	fputs(" (", out);
	print_reason(out, &rule, gate, report);
	fputc(')', out);
}

/* Likewise as a string, which is whole UTF-8. */
const char *verdict_words(const struct gate *gate, const struct report *report, char *buf,
			  size_t buf_bytes)
{
	FILE *out = fmemopen(buf, buf_bytes, "w");

	*buf = '\0';
	if (!out)
		return buf;
	verdict_print(out, gate, report);
	fclose(out);
	buf[buf_bytes - 1] = '\0';
	utf8_cut(buf);
	return buf;
}

/* For itself: a whole line, with the worst finding. */
void verdict_print_line(FILE *out, const struct gate *gate, const struct report *report,
			const struct text_style *style)
{
	const struct finding *worst = NULL;
	struct gate_rule rule;
	char span[STAMP_BYTES];

	fputs("loophound: ", out);
	if (print_outcome(out, gate, report, &rule)) {
		fputs(", ", out);
		print_reason(out, &rule, gate, report);
		count_breaking(&rule, report, &worst);
	}
	if (worst) {
		fputs("; worst: ", out);
		if (kind_is_timed(worst->kind))
			fprintf(out, "%s ", stamp_span(worst->max_ns, span));
		text_print_site(out, &worst->culprit, kind_name(worst->kind), style);
	}
	fputc('\n', out);
}
