/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Baseline: what is new, known, worse and gone
 *
 * Held against a report, a finding is new when its fingerprint is not there, or stands at more
 * lines of a function than were known; worse when there is more than twice as much of it, or it
 * lasted more than twice as long (what computes: four times), or when a blocking call is reached
 * through callers that are not there; else known. Twice, because what a load test counts and a
 * shared machine measures is never the same again, and a gate that fails without a reason is soon
 * switched off. Callers end at the first frame of a test file: another test of what is known is not
 * a new way to it.
 *
 * By itself an update only takes away: what is gone, and what has become less.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "baseline.h"

/* As deep as chains of callers are told apart elsewhere. */
#define BASELINE_MAX_CALLERS 16
#define BASELINE_WAY_BYTES   1024

/* Names come from outside: none may look like another word or another line. */
static void put_name(FILE *out, const char *name)
{
	for (name = name && *name ? name : "?"; *name; name++)
		fputc((unsigned char)*name <= ' ' || *name == 0x7f ? '?' : *name, out);
}

/* The last part of a qualified name: CPython before 3.11 knows no more of a running function. */
static const char *last_part(const char *function)
{
	const char *dot = function ? strrchr(function, '.') : NULL;

	return dot ? dot + 1 : function;
}

static void put_function(FILE *out, const struct frame *frame)
{
	put_name(out, frame->module);
	fputc(':', out);
	put_name(out, last_part(frame->function));
}

static bool is_test_file(const char *file)
{
	const char *slash = file ? strrchr(file, '/') : NULL, *name = slash ? slash + 1 : file;
	size_t length = name ? strlen(name) : 0;

	if (length < 3 || strcmp(name + length - 3, ".py"))
		return false;
	return !strncmp(name, "test_", 5) || !strcmp(name, "conftest.py") ||
	       (length > 8 && !strcmp(name + length - 8, "_test.py"));
}

static bool is_same_text(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

static bool is_same_function(const struct frame *a, const struct frame *b)
{
	return is_same_text(a->file, b->file) && is_same_text(a->function, b->function);
}

/* No caller: how the program was entered, and what newer Pythons give no frame of its own. */
static bool is_caller(const struct frame *frame)
{
	return frame->is_own && frame->function && *frame->function != '<';
}

/* The callers of a finding's culprit on one of its stacks, innermost first; "-" for none. */
static void baseline_way(const struct finding *finding, const struct stack *stack,
			 char way[BASELINE_WAY_BYTES])
{
	const struct frame *last = NULL;
	unsigned int n = 0;
	FILE *out = fmemopen(way, BASELINE_WAY_BYTES, "w");

	snprintf(way, BASELINE_WAY_BYTES, "-");
	if (!out)
		return;
	for (uint32_t i = 0; i < stack->n_frames && n < BASELINE_MAX_CALLERS; i++) {
		const struct frame *frame = &stack->frames[i];

		if (!last && !is_same_function(frame, &finding->culprit))
			continue;
		if (is_test_file(frame->file))
			break;
		if (last && is_caller(frame) && !is_same_function(frame, last)) {
			fputs(n++ ? " < " : "", out);
			put_function(out, frame);
		}
		if (!last || is_caller(frame))
			last = frame;
	}
	if (!n)
		fputc('-', out);
	fclose(out);
	way[BASELINE_WAY_BYTES - 1] = '\0';
}

/* Only a call's stack is exact, and only below the bound were all of them kept. */
static bool has_ways(const struct finding *finding)
{
	return finding->kind == KIND_BLOCKING_CALL && finding->n_stacks < MODEL_MAX_STACKS;
}

/* The findings of one fingerprint, next to each other. */
struct group {
	struct finding **findings;
	uint32_t n;
	uint64_t count;
	nsec_t max_ns;
};

static int finding_compare(const void *a, const void *b)
{
	const struct finding *x = *(struct finding *const *)a, *y = *(struct finding *const *)b;
	int r = strcmp(x->fingerprint, y->fingerprint);

	if (r)
		return r;
	return (x->culprit.line > y->culprit.line) - (x->culprit.line < y->culprit.line);
}

/* Return: for free(): the report's findings by fingerprint and line; NULL without memory. */
static struct finding **findings_grouped(const struct report *report)
{
	struct finding **findings = calloc(report->n_findings + 1, sizeof(*findings));

	if (!findings)
		return NULL;
	if (report->n_findings) {
		memcpy(findings, report->findings, report->n_findings * sizeof(*findings));
		qsort(findings, report->n_findings, sizeof(*findings), finding_compare);
	}
	return findings;
}

static struct group group_at(struct finding **findings, uint32_t n_findings)
{
	struct group group = {.findings = findings};

	for (; group.n < n_findings; group.n++) {
		struct finding *finding = findings[group.n];

		if (strcmp(finding->fingerprint, findings[0]->fingerprint))
			break;
		group.count += finding->count;
		group.max_ns = MAX(group.max_ns, finding->max_ns);
	}
	return group;
}

/*
 * In strict mode a call is found however short it was: what one of half a millisecond took this
 * time says nothing about the program.
 */
static bool lengths_count(const struct report *report, enum finding_kind kind)
{
	return kind_is_timed(kind) && !(report->options.is_strict && kind == KIND_BLOCKING_CALL);
}

/*
 * What computes takes as long as the machine lets it: beside other jobs on two cores, 4 of 20 runs
 * of the same 200 ms were more than twice as long as the first.
 */
static nsec_t length_factor(enum finding_kind kind)
{
	return kind == KIND_BLOCKING_CALL ? 2 : 4;
}

/* Return: what is worse; NULL: nothing. */
static const char *find_worse(const struct report *report, const struct baseline_entry *entry,
			      const struct group *group)
{
	char way[BASELINE_WAY_BYTES];

	if (group->count / 2 >= entry->count && group->count > entry->count * 2)
		return "more than twice as often";
	if (lengths_count(report, entry->kind) &&
	    group->max_ns / length_factor(entry->kind) > entry->max_ns)
		return entry->kind == KIND_BLOCKING_CALL ? "more than twice as long"
							 : "more than four times as long";
	for (uint32_t i = 0; i < group->n; i++) {
		const struct finding *finding = group->findings[i];

		for (uint32_t k = 0; has_ways(finding) && entry->n_ways && k < finding->n_stacks;
		     k++) {
			baseline_way(finding, finding->stacks[k], way);
			if (!baseline_entry_has_way(entry, way))
				return "reached in a new way";
		}
	}
	return NULL;
}

static void mark_group(const struct report *report, const struct baseline_entry *entry,
		       const struct group *group)
{
	struct group old = group_at(group->findings, MIN(group->n, entry ? entry->n_lines : 0));
	const char *worse = old.n ? find_worse(report, entry, &old) : NULL;

	for (uint32_t i = 0; i < group->n; i++) {
		group->findings[i]->baseline = i >= old.n ? BASELINE_NEW
					       : worse	  ? BASELINE_WORSE
							  : BASELINE_KNOWN;
		group->findings[i]->worse = i >= old.n ? NULL : worse;
	}
}

/* Whether "not there" means something: the kind was looked for, by somebody who could see it. */
static bool was_looked_for(const struct report *report, enum finding_kind kind)
{
	return (report->options.kinds & KIND_MASK(kind)) && report_has_detector(report, kind);
}

static int list_gone(const struct baseline *baseline, struct report *report)
{
	struct gone *gone = calloc(baseline->n_entries + 1, sizeof(*gone));

	if (!gone)
		return -ENOMEM;
	for (uint32_t i = 0; i < report->baseline.n_gone; i++)
		free(report->baseline.gone[i].site);
	free(report->baseline.gone);
	report->baseline.gone = gone;
	report->baseline.n_gone = 0;
	for (size_t i = 0; i < baseline->n_entries; i++) {
		const struct baseline_entry *entry = &baseline->entries[i];

		if (entry->is_seen || !was_looked_for(report, entry->kind))
			continue;
		gone->site = strdup(entry->site);
		if (!gone->site)
			return -ENOMEM;
		memcpy(gone->fingerprint, entry->fingerprint, sizeof(gone->fingerprint));
		gone++;
		report->baseline.n_gone++;
	}
	return 0;
}

/*
 * Say of each finding what it is, and what is gone. path has to outlive the report.
 *
 * Return: 0 or -ENOMEM.
 */
int baseline_mark(struct baseline *baseline, const char *path, struct report *report)
{
	struct finding **findings = findings_grouped(report);
	uint32_t at = 0;
	int r;

	if (!findings)
		return -ENOMEM;
	for (size_t i = 0; i < baseline->n_entries; i++)
		baseline->entries[i].is_seen = false;
	while (at < report->n_findings) {
		struct group group = group_at(findings + at, report->n_findings - at);
		struct baseline_entry *entry = baseline_find(baseline, findings[at]->fingerprint);

		mark_group(report, entry, &group);
		if (entry)
			entry->is_seen = true;
		at += group.n;
	}
	free(findings);
	report->baseline.path = path;
	r = list_gone(baseline, report);
	report_sort(report);
	return r;
}

static char *site_of(const struct finding *finding)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	const char *what = finding->call.name ? finding->call.name : finding->name;

	if (!out)
		return NULL;
	fprintf(out, "%s ", kind_name(finding->kind));
	put_function(out, &finding->culprit);
	if (what) {
		fputc(' ', out);
		put_name(out, what);
	}
	fclose(out);
	return text;
}

/* Return: 0 or -ENOMEM. */
static int entry_take_ways(struct baseline_entry *entry, const struct group *group)
{
	char way[BASELINE_WAY_BYTES];
	int r = 0;

	for (uint32_t i = 0; i < group->n; i++) {
		const struct finding *finding = group->findings[i];

		for (uint32_t k = 0; !r && has_ways(finding) && k < finding->n_stacks; k++) {
			baseline_way(finding, finding->stacks[k], way);
			if (!baseline_entry_has_way(entry, way))
				r = baseline_entry_add_way(entry, way, strlen(way));
		}
	}
	return r;
}

/* Numbers that are more than the entry's, and ways it has not, stay out of it. */
static bool entry_lower(struct baseline_entry *entry, const struct group *group)
{
	struct baseline_entry old = *entry, now = {0};
	uint32_t n = 0;

	entry->count = MIN(entry->count, group->count);
	entry->max_ns = MIN(entry->max_ns, baseline_round_up(group->max_ns));
	entry->n_lines = MIN(entry->n_lines, group->n);
	if (!entry_take_ways(&now, group) && now.n_ways)
		for (uint32_t i = 0; i < entry->n_ways; i++)
			if (baseline_entry_has_way(&now, entry->ways[i]))
				entry->ways[n++] = entry->ways[i];
			else
				free(entry->ways[i]);
	else
		n = entry->n_ways;
	entry->n_ways = n;
	baseline_entry_deinit(&now);
	return old.count != entry->count || old.max_ns != entry->max_ns ||
	       old.n_lines != entry->n_lines || old.n_ways != n;
}

/* Return: 0 or -ENOMEM. */
static int entry_accept(struct baseline_entry *entry, const struct group *group)
{
	const struct finding *finding = group->findings[0];

	if (!entry->site)
		entry->site = site_of(finding);
	memcpy(entry->fingerprint, finding->fingerprint, sizeof(entry->fingerprint));
	entry->kind = finding->kind;
	entry->count = MAX(entry->count, group->count);
	entry->max_ns = MAX(entry->max_ns, baseline_round_up(group->max_ns));
	entry->n_lines = MAX(entry->n_lines, group->n);
	return entry->site ? entry_take_ways(entry, group) : -ENOMEM;
}

static bool needs_accepting(const struct group *group)
{
	for (uint32_t i = 0; i < group->n; i++)
		if (group->findings[i]->baseline != BASELINE_KNOWN)
			return true;
	return false;
}

static int update_group(struct baseline *baseline, const struct group *group, bool accepts_new,
			size_t n_sorted, struct baseline_changes *changes)
{
	struct baseline sorted = {.entries = baseline->entries, .n_entries = n_sorted};
	struct baseline_entry *entry = baseline_find(&sorted, group->findings[0]->fingerprint);

	if (entry && (!accepts_new || !needs_accepting(group))) {
		changes->n_lowered += entry_lower(entry, group);
		return 0;
	}
	if (!accepts_new || group->findings[0]->allowed_by)
		return 0;
	entry = entry ? entry : baseline_add(baseline);
	changes->n_added++;
	return entry ? entry_accept(entry, group) : -ENOMEM;
}

static void remove_gone(struct baseline *baseline, const struct report *report,
			struct baseline_changes *changes)
{
	size_t n = 0;

	for (size_t i = 0; i < baseline->n_entries; i++) {
		struct baseline_entry *entry = &baseline->entries[i];

		if (!entry->is_seen && was_looked_for(report, entry->kind)) {
			baseline_entry_deinit(entry);
			changes->n_removed++;
		} else {
			baseline->entries[n++] = *entry;
		}
	}
	baseline->n_entries = n;
}

/*
 * Take out what the report it was held against shows to be gone or less; with accepts_new, put in
 * what is new or worse. What the allow list allows never goes in. Return: 0 or -ENOMEM.
 */
int baseline_update(struct baseline *baseline, const struct report *report, bool accepts_new,
		    struct baseline_changes *ret_changes)
{
	struct finding **findings = findings_grouped(report);
	struct baseline_changes changes = {0};
	size_t n_sorted;
	int r = 0;

	if (!findings)
		return -ENOMEM;
	remove_gone(baseline, report, &changes);
	n_sorted = baseline->n_entries;
	for (uint32_t at = 0; !r && at < report->n_findings;) {
		struct group group = group_at(findings + at, report->n_findings - at);

		r = update_group(baseline, &group, accepts_new, n_sorted, &changes);
		at += group.n;
	}
	free(findings);
	baseline_sort(baseline);
	*ret_changes = changes;
	return r;
}
