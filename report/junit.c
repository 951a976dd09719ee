/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report as JUnit XML
 *
 * Three suites: the gates; the tests in which something was found, each named as pytest names it in
 * its own file, so that a CI shows the two beside each other; and the kinds that were looked for,
 * with what was found outside of any test. A case fails when a finding counts: what is allowed or
 * known fails nothing.
 *
 * There is no standard, only what readers take. This is what all known descriptions of the format
 * allow: the attributes that some require are all there, and no element that some do not know.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "advice.h"
#include "junit.h"
#include "put.h"
#include "stamp.h"
#include "verdict.h"

/* More of one case says nothing new; the JSON has them all. */
#define JUNIT_MAX_FINDINGS 50
#define JUNIT_NAME_BYTES   1024

/* One finding in one of its tests. */
struct hit {
	const char *test; /* NULL: none */
	const struct finding *finding;
};

/* Findings that make one case. */
struct hits {
	const struct hit *at;
	size_t n;
};

static void suite_open(FILE *out, const struct report *report, unsigned int id, const char *name,
		       size_t n_cases, size_t n_failed)
{
	char stamp[STAMP_BYTES];

	stamp_utc(report->started_at, stamp);
	stamp[strlen("2026-01-31T12:34:56")] = '\0';
	fprintf(out,
		"<testsuite id=\"%u\" name=\"%s\" package=\"loophound\" timestamp=\"%s\" "
		"hostname=\"",
		id, name, stamp);
	put_xml(out, report->host && *report->host ? report->host : "localhost");
	fprintf(out,
		"\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" time=\"%.3f\">\n<properties/>\n",
		n_cases, n_failed,
		(double)(report->ended_at > report->started_at
				 ? report->ended_at - report->started_at
				 : 0) /
			1e9);
}

static void suite_close(FILE *out)
{
	fputs("<system-out/>\n<system-err/>\n</testsuite>\n", out);
}

static void case_open(FILE *out, const char *class_name, const char *name, bool is_failed)
{
	fputs("<testcase classname=\"", out);
	put_xml(out, class_name);
	fputs("\" name=\"", out);
	put_xml(out, name);
	fprintf(out, "\" time=\"0.000\"%s>\n", is_failed ? "" : "/");
}

static void junit_gates(FILE *out, const struct report *report)
{
	char words[VERDICT_BYTES];
	size_t n_failed = 0;

	for (uint32_t i = 0; i < report->n_gates; i++)
		n_failed += !report->gates[i].is_ok;
	suite_open(out, report, 0, "loophound gates", report->n_gates, n_failed);
	for (uint32_t i = 0; i < report->n_gates; i++) {
		const struct gate *gate = &report->gates[i];

		case_open(out, "loophound.gates", gate->expr, !gate->is_ok);
		if (gate->is_ok)
			continue;
		fputs("<failure type=\"gate\" message=\"", out);
		put_xml(out, verdict_words(gate, report, words, sizeof(words)));
		fputs("\"/>\n</testcase>\n", out);
	}
	suite_close(out);
}

static void junit_finding(FILE *out, const struct report *report, const struct finding *finding)
{
	const struct frame *culprit = &finding->culprit;
	const char *below = path_below(culprit->file, report->root_dir);
	char message[ADVICE_BYTES], longest[STAMP_BYTES];

	put_xml(out, below ? below : culprit->file ? culprit->file : "?");
	if (culprit->line > 0)
		fprintf(out, ":%" PRId32, culprit->line);
	fprintf(out, ": %s ", kind_name(finding->kind));
	put_xml(out, culprit->function ? culprit->function : "?");
	fprintf(out, " (%" PRIu64 " time%s", finding->count, finding->count == 1 ? "" : "s");
	if (kind_is_timed(finding->kind))
		fprintf(out, ", longest %s", stamp_span(finding->max_ns, longest));
	if (finding->baseline)
		fprintf(out, ", %s", baseline_state_name(finding->baseline));
	fputs(")\n  ", out);
	put_xml(out, advice_message(finding, message, sizeof(message)));
	fputs("\n  ", out);
	put_xml(out, advice_text(finding));
	fputc('\n', out);
}

static size_t count_failing(struct hits hits)
{
	size_t n = 0;

	for (size_t i = 0; i < hits.n; i++)
		n += finding_counts(hits.at[i].finding);
	return n;
}

static void junit_failure(FILE *out, const struct report *report, struct hits hits)
{
	size_t n = count_failing(hits), n_shown = 0;
	const struct finding *first = NULL;

	for (size_t i = 0; i < hits.n && !first; i++)
		if (finding_counts(hits.at[i].finding))
			first = hits.at[i].finding;
	fprintf(out, "<failure type=\"%s\" message=\"%zu finding%s of loophound\">",
		kind_name(first->kind), n, n == 1 ? "" : "s");
	for (size_t i = 0; i < hits.n && n_shown < JUNIT_MAX_FINDINGS; i++)
		if (finding_counts(hits.at[i].finding)) {
			junit_finding(out, report, hits.at[i].finding);
			n_shown++;
		}
	if (n > n_shown)
		fprintf(out, "and %zu more\n", n - n_shown);
	fputs("</failure>\n</testcase>\n", out);
}

/* "tests/test_app.py::TestIt::test_x[a]" is in the class "tests.test_app.TestIt". */
static const char *split_test(const char *test, char class_name[JUNIT_NAME_BYTES])
{
	const char *bracket = strchr(test, '['), *name = test, *next = strstr(test, "::");
	const char *file_end = next ? next : test + strlen(test);
	size_t n = 0;

	while (next && (!bracket || next < bracket)) {
		name = next + 2;
		next = strstr(name, "::");
	}
	if (file_end - test > 3 && !memcmp(file_end - 3, ".py", 3))
		file_end -= 3;
	for (const char *p = test; p < name && n < JUNIT_NAME_BYTES - 1; p++) {
		if (p == file_end && p < name)
			p = strstr(p, "::");
		if (!strncmp(p, "::", 2) && p + 2 >= name)
			break;
		class_name[n++] = *p == '/' || *p == ':' ? '.' : *p;
		p += *p == ':';
	}
	class_name[n] = '\0';
	return name;
}

static int hit_compare(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;
	int r = strcmp(x->test ? x->test : "", y->test ? y->test : "");

	if (r || x->test)
		return r;
	return (x->finding->kind > y->finding->kind) - (x->finding->kind < y->finding->kind);
}

/* All findings with each of their tests, those without a test first, by kind. */
static struct hit *hits_of(const struct report *report, size_t *ret_n)
{
	size_t n = 0;
	struct hit *hits;

	for (uint32_t i = 0; i < report->n_findings; i++)
		n += MAX(report->findings[i]->n_tests, 1u);
	hits = calloc(n + 1, sizeof(*hits));
	if (!hits)
		return NULL;
	n = 0;
	for (uint32_t i = 0; i < report->n_findings; i++) {
		const struct finding *finding = report->findings[i];

		for (uint32_t k = 0; k < MAX(finding->n_tests, 1u); k++)
			hits[n++] =
				(struct hit){finding->n_tests ? finding->tests[k] : NULL, finding};
	}
	/* Stable enough: glibc's qsort() merges, and the worst stays first in its case. */
	qsort(hits, n, sizeof(*hits), hit_compare);
	*ret_n = n;
	return hits;
}

static struct hits case_at(const struct hit *at, size_t n)
{
	struct hits hits = {.at = at, .n = 1};

	while (hits.n < n && !hit_compare(at, at + hits.n))
		hits.n++;
	return hits;
}

static void junit_tests(FILE *out, const struct report *report, struct hits all)
{
	size_t n_cases = 0, n_failed = 0;
	char class_name[JUNIT_NAME_BYTES];
	struct hits hits;

	for (size_t i = 0; i < all.n; i += hits.n) {
		hits = case_at(all.at + i, all.n - i);
		n_cases++;
		n_failed += count_failing(hits) > 0;
	}
	suite_open(out, report, 1, "loophound tests", n_cases, n_failed);
	for (size_t i = 0; i < all.n; i += hits.n) {
		const char *name = split_test(all.at[i].test, class_name);

		hits = case_at(all.at + i, all.n - i);
		case_open(out, class_name, name, count_failing(hits));
		if (count_failing(hits))
			junit_failure(out, report, hits);
	}
	suite_close(out);
}

/* The hits of one kind; n is 0 when there is none. */
static struct hits kind_hits(struct hits all, enum finding_kind kind)
{
	for (size_t i = 0; i < all.n; i++)
		if (all.at[i].finding->kind == kind)
			return case_at(all.at + i, all.n - i);
	return (struct hits){0};
}

static void junit_kinds(FILE *out, const struct report *report, struct hits all)
{
	uint32_t looked_for = report->options.kinds & kinds_detected();
	size_t n_cases = 0, n_failed = 0;

	for (unsigned int i = 0; i < _KIND_N; i++)
		if (looked_for & KIND_MASK(i)) {
			n_cases++;
			n_failed += count_failing(kind_hits(all, (enum finding_kind)i)) > 0;
		}
	suite_open(out, report, 2, "loophound kinds", n_cases, n_failed);
	for (unsigned int i = 0; i < _KIND_N; i++) {
		struct hits hits = kind_hits(all, (enum finding_kind)i);

		if (!(looked_for & KIND_MASK(i)))
			continue;
		case_open(out, "loophound.kinds", kind_name((enum finding_kind)i),
			  count_failing(hits));
		if (count_failing(hits))
			junit_failure(out, report, hits);
	}
	suite_close(out);
}

/* Return: 0 or -ENOMEM. */
int junit_write(FILE *out, const struct report *report)
{
	size_t n, n_outside = 0;
	struct hit *hits = hits_of(report, &n);

	if (!hits)
		return -ENOMEM;
	while (n_outside < n && !hits[n_outside].test)
		n_outside++;
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", out);
	junit_gates(out, report);
	junit_tests(out, report, (struct hits){hits + n_outside, n - n_outside});
	junit_kinds(out, report, (struct hits){hits, n_outside});
	fputs("</testsuites>\n", out);
	free(hits);
	return 0;
}
