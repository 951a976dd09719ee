/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gates
 *
 *	SUBJECT			any, or the name of a kind: broken by one finding
 *	KIND>DURATION		broken by one that lasted longer
 *	task-flood>N		broken by one of more tasks
 *	KIND:count>N		broken by more of them
 *	lag-p99>DURATION	turn-max>DURATION	utilisation>PERCENT	lost>N
 *
 * Spaces may stand around each part. An expression is read before the program starts, so that a
 * typing error costs nothing. A gate on what could not be measured is broken: "no loop ran" must
 * not pass as "no loop lagged", nor a recording of which a part is missing as one without findings.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gate.h"
#include "nearest.h"
#include "wire/options.h"

/* No limit that means anything is longer. */
#define GATE_MAX_LIMIT 64

static int gate_fail(struct gate_error *ret_error, size_t at, const char *text)
{
	ret_error->at = at;
	ret_error->text = text;
	ret_error->nearest = NULL;
	return -EINVAL;
}

static int gate_number(const char *text, const char *unit, double *ret_number)
{
	char *end;
	double number;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	/* strtod() also takes hexadecimal and "1e9"; neither is a number to people. */
	if (strspn(text, "0123456789.") + strlen(unit) != strlen(text))
		return -EINVAL;
	number = strtod(text, &end);
	if (strcmp(end, unit))
		return -EINVAL;
	*ret_number = number;
	return 0;
}

static int gate_duration(const char *text, double *ret_number)
{
	nsec_t span_ns;

	if (duration_parse(text, strlen(text), &span_ns))
		return -EINVAL;
	*ret_number = (double)span_ns;
	return 0;
}

static const char *skip_spaces(const char *text)
{
	return text + strspn(text, " ");
}

static int gate_limit(struct gate_rule *rule, const char *after, struct gate_error *ret_error)
{
	const char *start = skip_spaces(after);
	size_t at = (size_t)(start - rule->expr), length = strlen(start);
	char text[GATE_MAX_LIMIT];

	while (length && start[length - 1] == ' ')
		length--;
	if (length >= sizeof(text))
		return gate_fail(ret_error, at, "too long for a limit");
	memcpy(text, start, length);
	text[length] = '\0';
	switch (rule->subject) {
	case GATE_KIND_SPAN:
	case GATE_LAG_P99:
	case GATE_TURN_MAX:
		if (gate_duration(text, &rule->limit))
			return gate_fail(ret_error, at, "not a duration (50ms, 1.5s, 2m)");
		return 0;
	case GATE_UTILISATION:
		if (gate_number(text, "%", &rule->limit) || rule->limit > 100)
			return gate_fail(ret_error, at, "not a percentage (80%)");
		rule->limit /= 100;
		return 0;
	case GATE_KIND_SIZE:
	case GATE_KIND_COUNT:
	case GATE_LOST:
		if (gate_number(text, "", &rule->limit))
			return gate_fail(ret_error, at, "not a number");
		return 0;
	case GATE_ANY:
	case GATE_KIND:
		break;
	}
	return gate_fail(ret_error, at, "no limit can stand here");
}

static const struct {
	const char *name;
	enum gate_subject subject;
} figures[] = {
	{"lag-p99", GATE_LAG_P99},
	{"turn-max", GATE_TURN_MAX},
	{"utilisation", GATE_UTILISATION},
	{"lost", GATE_LOST},
};

/* The kind or figure that may be meant; NULL: none. */
static const char *gate_nearest(const char *text, size_t length)
{
	const char *nearest = kind_nearest(text, length);

	for (size_t i = 0; !nearest && i < ARRAY_LEN(figures); i++)
		if (nearest_is_meant(text, length, figures[i].name))
			nearest = figures[i].name;
	return nearest;
}

static int gate_figure(const char *text, size_t length, enum gate_subject *ret_subject)
{
	for (size_t i = 0; i < ARRAY_LEN(figures); i++)
		if (strlen(figures[i].name) == length && !memcmp(figures[i].name, text, length)) {
			*ret_subject = figures[i].subject;
			return 0;
		}
	return -ENOENT;
}

/* text is what follows the kind's name: nothing, ">50ms", ":count>10". */
static int gate_of_kind(struct gate_rule *rule, const char *text, struct gate_error *ret_error)
{
	static const char count[] = ":count";
	size_t at = (size_t)(text - rule->expr);

	if (!kind_is_detected(rule->kind))
		return gate_fail(ret_error, (size_t)(skip_spaces(rule->expr) - rule->expr),
				 "this kind is not detected by this version yet");
	rule->subject = GATE_KIND;
	if (!*text)
		return 0;
	if (*text == '>' && !kind_is_timed(rule->kind) && !kind_is_sized(rule->kind))
		return gate_fail(ret_error, at, "this kind has no size; :count>N counts it");
	rule->subject = kind_is_sized(rule->kind) ? GATE_KIND_SIZE : GATE_KIND_SPAN;
	if (*text == ':') {
		if (strncmp(text, count, sizeof(count) - 1))
			return gate_fail(ret_error, at, "only :count can stand here");
		text = skip_spaces(text + sizeof(count) - 1);
		rule->subject = GATE_KIND_COUNT;
	}
	if (*text != '>')
		return gate_fail(ret_error, (size_t)(text - rule->expr), "a > belongs here");
	return gate_limit(rule, text + 1, ret_error);
}

/*
 * Read an expression, which has to outlive the rule.
 *
 * Return: 0, or -EINVAL and what is wrong at which character.
 */
int gate_parse(const char *expr, struct gate_rule *ret_rule, struct gate_error *ret_error)
{
	const char *start = skip_spaces(expr);
	size_t length = strcspn(start, ":>< ");
	const char *rest = skip_spaces(start + length);
	struct gate_rule rule = {.expr = expr};
	int r = 0;

	if (length == 3 && !memcmp(start, "any", 3) && *rest)
		return gate_fail(ret_error, (size_t)(rest - expr), "any stands alone");
	if (length == 3 && !memcmp(start, "any", 3))
		rule.subject = GATE_ANY;
	else if (!kind_parse(start, length, &rule.kind))
		r = gate_of_kind(&rule, rest, ret_error);
	else if (gate_figure(start, length, &rule.subject))
		r = gate_fail(ret_error, (size_t)(start - expr),
			      "neither a kind of finding, nor any, lag-p99, turn-max, utilisation, "
			      "lost");
	else if (*rest != '>')
		r = gate_fail(ret_error, (size_t)(rest - expr), "a > and a limit belong here");
	else
		r = gate_limit(&rule, rest + 1, ret_error);
	if (!r)
		*ret_rule = rule;
	else if (rule.subject == GATE_ANY && ret_error->at == (size_t)(start - expr))
		ret_error->nearest = gate_nearest(start, length);
	return r;
}

/* KIND_MASK of the kind that has to be looked for; 0 for what is no single kind. */
uint32_t gate_needs(const struct gate_rule *rule)
{
	switch (rule->subject) {
	case GATE_KIND:
	case GATE_KIND_SPAN:
	case GATE_KIND_SIZE:
	case GATE_KIND_COUNT:
		return KIND_MASK(rule->kind);
	case GATE_ANY:
	case GATE_LAG_P99:
	case GATE_TURN_MAX:
	case GATE_UTILISATION:
	case GATE_LOST:
		break;
	}
	return 0;
}

static bool counts(const struct gate_rule *rule, const struct finding *finding)
{
	return finding_counts(finding) &&
	       (rule->subject == GATE_ANY || finding->kind == rule->kind);
}

static double gate_count(const struct gate_rule *rule, const struct report *report)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < report->n_findings; i++)
		if (counts(rule, report->findings[i]))
			count += report->findings[i]->count;
	return (double)count;
}

static double gate_span(const struct gate_rule *rule, const struct report *report)
{
	nsec_t max_ns = 0;

	for (uint32_t i = 0; i < report->n_findings; i++)
		if (counts(rule, report->findings[i]))
			max_ns = MAX(max_ns, report->findings[i]->max_ns);
	return (double)max_ns;
}

static double gate_size(const struct gate_rule *rule, const struct report *report)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < report->n_findings; i++)
		if (counts(rule, report->findings[i]))
			most = MAX(most, report->findings[i]->n);
	return most;
}

static double gate_loops(const struct gate_rule *rule, const struct report *report)
{
	double worst = 0;

	for (uint32_t i = 0; i < report->n_loops; i++) {
		const struct loop *loop = &report->loops[i];
		double value = rule->subject == GATE_LAG_P99	? (double)loop->lag.p99_ns
			       : rule->subject == GATE_TURN_MAX ? (double)loop->turn.max_ns
								: loop_utilisation(loop);

		worst = MAX(worst, value);
	}
	return worst;
}

/* Whether it is about a kind that only strict mode looks for, and the report is of none. */
bool gate_lacks_strict(const struct gate_rule *rule, const struct report *report)
{
	return (gate_needs(rule) & kinds_strict()) && !report->options.is_strict;
}

static bool gate_is_measured(const struct gate_rule *rule, const struct report *report)
{
	const char *unmeasured = report_unmeasured(report);

	if (rule->subject != GATE_LOST && report_damaged(report))
		return false;
	switch (rule->subject) {
	case GATE_KIND:
	case GATE_KIND_SPAN:
	case GATE_KIND_SIZE:
	case GATE_KIND_COUNT:
		/* Not every kind needs a loop, but what happened in a warm-up is not judged. */
		if (unmeasured && report_has_loops(report))
			return false;
		return report_has_detector(report, rule->kind) && !gate_lacks_strict(rule, report);
	case GATE_LOST:
		return true;
	case GATE_LAG_P99:
		return report_has_lag(report);
	case GATE_ANY:
	case GATE_TURN_MAX:
	case GATE_UTILISATION:
		return !unmeasured;
	}
	return false;
}

/* Hold a report against one rule. */
void gate_judge(const struct gate_rule *rule, const struct report *report, struct gate *ret_gate)
{
	double value = 0;

	switch (rule->subject) {
	case GATE_ANY:
	case GATE_KIND:
	case GATE_KIND_COUNT:
		value = gate_count(rule, report);
		break;
	case GATE_KIND_SPAN:
		value = gate_span(rule, report);
		break;
	case GATE_KIND_SIZE:
		value = gate_size(rule, report);
		break;
	case GATE_LAG_P99:
	case GATE_TURN_MAX:
	case GATE_UTILISATION:
		value = gate_loops(rule, report);
		break;
	case GATE_LOST:
		value = (double)losses_sum(&report->lost);
		break;
	}
	/* What was found was measured, whatever else was not. */
	ret_gate->expr = rule->expr;
	ret_gate->value = value;
	ret_gate->limit = rule->limit;
	ret_gate->is_measured = value > rule->limit || gate_is_measured(rule, report);
	ret_gate->is_ok = ret_gate->is_measured && value <= rule->limit;
}

/* Hold a report against all rules; its gates are set. Return: 0 or -ENOMEM. */
int gates_judge(const struct gate_rule *rules, size_t n_rules, struct report *report)
{
	struct gate *gates = calloc(MAX(n_rules, (size_t)1), sizeof(*gates));

	if (!gates)
		return -ENOMEM;
	for (size_t i = 0; i < n_rules; i++)
		gate_judge(&rules[i], report, &gates[i]);
	free(report->gates);
	report->gates = gates;
	report->n_gates = (uint32_t)n_rules;
	return 0;
}

bool gates_hold(const struct report *report)
{
	for (uint32_t i = 0; i < report->n_gates; i++)
		if (!report->gates[i].is_ok)
			return false;
	return true;
}
