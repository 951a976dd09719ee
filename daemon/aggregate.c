/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aggregate: incidents gathered into findings
 *
 * The fingerprint names a finding across runs, so nothing in it changes when code moves: no lines,
 * no absolute paths, and of a qualified name only its last part, since CPython before 3.11 knows no
 * more of a running function. Within one report findings are told apart further, by the line,
 * where the line is exact: two sleeps in one function are two sites. A stack sampled on the CPU
 * says another line each time and stays one. Who called is told by the stacks: a line that is
 * reached in two ways is one site, and has one fingerprint, whichever of its callers a run came
 * through. A baseline keeps the callers beside it, and tells a way that is new.
 *
 * Findings are never dropped once they are there; beyond AGGREGATE_MAX_FINDINGS new sites are
 * refused, and the caller counts them. What a finding takes is bounded, but not by much: eight
 * stacks of 128 frames and a thousand lengths are 50 KiB. So that thousands of sites fit, all that
 * is kept of them beside their counts has one budget. When the greater part is used the first stack
 * of a finding is still kept and what is dispensable is not: further stacks, the task, more lengths
 * for the percentiles than there are already. Counts and sums depend on none of these.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate.h"
#include "spans.h"
#include "sum.h"

/* A service in trouble shows tens of sites, a thousand processes of many services 10,000. */
#define AGGREGATE_MAX_FINDINGS 16384
#define AGGREGATE_N_BUCKETS    16384
/* Bytes of stacks, tasks and lengths. With the findings themselves, of 1 KiB each, under 64 MiB. */
#define AGGREGATE_MAX_BYTES   ((size_t)40 << 20)
#define AGGREGATE_AMPLE_BYTES ((size_t)20 << 20)

struct entry {
	struct entry *next;
	uint64_t key;
	struct finding *finding;
	struct spans spans;
};

struct aggregate {
	uint32_t n_entries;
	size_t n_bytes; /* of what the budget is for */
	struct entry *buckets[AGGREGATE_N_BUCKETS];
};

int aggregate_new(struct aggregate **ret_aggregate)
{
	struct aggregate *aggregate = calloc(1, sizeof(*aggregate));

	if (!aggregate)
		return -ENOMEM;
	*ret_aggregate = aggregate;
	return 0;
}

static void entry_free(struct entry *entry)
{
	finding_free(entry->finding);
	spans_deinit(&entry->spans);
	free(entry);
}

struct aggregate *aggregate_free(struct aggregate *aggregate)
{
	for (unsigned int i = 0; aggregate && i < AGGREGATE_N_BUCKETS; i++) {
		struct entry *next;

		for (struct entry *entry = aggregate->buckets[i]; entry; entry = next) {
			next = entry->next;
			entry_free(entry);
		}
	}
	free(aggregate);
	return NULL;
}

void aggregate_freep(struct aggregate **aggregate)
{
	aggregate_free(*aggregate);
}

/* FNV-1a with the terminating NUL, so that "ab" "c" is not "a" "bc". */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (text = text ? text : "";; text++) {
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
		if (!*text)
			return hash;
	}
}

static uint64_t hash_function(uint64_t hash, const struct frame *frame)
{
	const char *dot = frame->function ? strrchr(frame->function, '.') : NULL;

	hash = hash_text(hash, frame->module);
	return hash_text(hash, dot ? dot + 1 : frame->function);
}

static uint64_t incident_fingerprint(const struct incident *incident)
{
	enum finding_kind kind = incident->judgement->kind;
	uint64_t hash = hash_text(UINT64_C(0xcbf29ce484222325), kind_name(kind));

	hash = hash_text(hash, incident->call.name);
	hash = hash_text(hash, incident->name);
	hash = hash_text(hash, incident->name_file);
	return hash_function(hash, &incident->site->culprit);
}

/* The line of a stack that was sampled is another one each time. */
static bool is_sampled_kind(const struct incident *incident)
{
	enum finding_kind kind = incident->judgement->kind;

	return !incident->call.name &&
	       (kind == KIND_SLOW_CALLBACK || kind == KIND_LONG_TURN || kind == KIND_STUCK);
}

static uint64_t incident_key(const struct incident *incident, uint64_t fingerprint)
{
	if (is_sampled_kind(incident))
		return fingerprint;
	return (fingerprint ^ (uint32_t)incident->site->culprit.line) * UINT64_C(0x100000001b3);
}

static int finding_new(const struct incident *incident, struct finding **ret_finding)
{
	struct finding *finding = calloc(1, sizeof(*finding));

	if (!finding)
		return -ENOMEM;
	finding->kind = incident->judgement->kind;
	snprintf(finding->fingerprint, sizeof(finding->fingerprint), "%016llx",
		 (unsigned long long)incident_fingerprint(incident));
	finding->culprit = incident->site->culprit;
	finding->name = incident->name;
	finding->detail = incident->detail;
	finding->call = incident->call;
	finding->first_seen_at = finding->last_seen_at = incident->seen_at;
	*ret_finding = finding;
	return 0;
}

static size_t stack_bytes(const struct stack *stack)
{
	return sizeof(*stack) + stack->n_frames * sizeof(stack->frames[0]);
}

/* Whether there is room for size_bytes more, and if so they are taken. */
static bool take_bytes(size_t *n_bytes, size_t size_bytes, size_t limit_bytes)
{
	if (*n_bytes + size_bytes > limit_bytes)
		return false;
	*n_bytes += size_bytes;
	return true;
}

/* Without room the stack is left out: the finding's counts do not depend on it. */
static void add_stack(struct finding *finding, const struct stack *stack, size_t *n_bytes)
{
	size_t limit_bytes = finding->n_stacks ? AGGREGATE_AMPLE_BYTES : AGGREGATE_MAX_BYTES;

	if (!stack || !stack->n_frames)
		return;
	if (finding_has_stack(finding, stack) ||
	    (finding->n_stacks < MODEL_MAX_STACKS &&
	     take_bytes(n_bytes, stack_bytes(stack), limit_bytes)))
		finding_add_stack(finding, stack);
}

/* Without room it is left out, as a stack is. */
static void add_task(struct finding *finding, const struct task *task, nsec_t span_ns,
		     size_t *n_bytes)
{
	/* One takes the place of the one before: about as large, and counted once. */
	if (!task || (!finding->task &&
		      !take_bytes(n_bytes, sizeof(*task) + task->n_chain * sizeof(task->chain[0]),
				  AGGREGATE_AMPLE_BYTES)))
		return;
	finding_add_task(finding, task, span_ns);
}

static void finding_add(struct finding *finding, const struct incident *incident, size_t *n_bytes)
{
	nsec_t span_ns = incident->judgement->span_ns;
	uint32_t n_times = MAX(incident->n_times, 1u);

	cause_add(&finding->cause, &incident->judgement->cause);
	finding->count += n_times;
	finding->total_ns += span_ns;
	finding->max_ns = MAX(finding->max_ns, span_ns / n_times);
	finding->first_seen_at = MIN(finding->first_seen_at, incident->seen_at);
	finding->last_seen_at = MAX(finding->last_seen_at, incident->seen_at);
	finding_add_pid(finding, incident->pid);
	finding_add_test(finding, incident->test);
	call_merge(&finding->call, &incident->call);
	finding->n = MAX(finding->n, incident->n);
	if (!finding->origin && incident->origin &&
	    take_bytes(n_bytes, stack_bytes(incident->origin), AGGREGATE_MAX_BYTES))
		finding->origin = stack_copy(incident->origin);
	add_task(finding, incident->task, span_ns, n_bytes);
	for (uint32_t i = 0; i < incident->n_stacks; i++)
		add_stack(finding, incident->stacks[i], n_bytes);
}

/* Of what has been counted. */
static void finding_grow(struct finding *finding, const struct incident *incident)
{
	finding->n = MAX(finding->n, incident->n);
	finding->last_seen_at = MAX(finding->last_seen_at, incident->seen_at);
}

static int entry_new(const struct incident *incident, uint64_t key, struct entry **ret_entry)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry || finding_new(incident, &entry->finding)) {
		free(entry);
		return -ENOMEM;
	}
	entry->key = key;
	*ret_entry = entry;
	return 0;
}

static int entry_add_spans(struct aggregate *aggregate, struct entry *entry,
			   const struct incident *incident)
{
	struct spans *spans = &entry->spans;
	uint32_t n_room = spans->n_room;
	bool is_ample = aggregate->n_bytes < AGGREGATE_AMPLE_BYTES;
	int r = spans_add_many(spans, incident->judgement->span_ns, incident->n_times,
			       is_ample ? SPANS_MAX_KEPT : SPANS_MIN_KEPT);

	aggregate->n_bytes += (spans->n_room - n_room) * sizeof(spans->kept[0]);
	return r;
}

/* Count an incident. Return: 0, -ENOSPC when there are too many findings, -ENOMEM. */
int aggregate_add(struct aggregate *aggregate, const struct incident *incident)
{
	uint64_t key = incident_key(incident, incident_fingerprint(incident));
	struct entry **bucket = &aggregate->buckets[key % AGGREGATE_N_BUCKETS], *entry = *bucket;

	while (entry && entry->key != key)
		entry = entry->next;
	if (entry && incident->is_more) {
		finding_grow(entry->finding, incident);
		return 0;
	}
	if (!entry) {
		if (aggregate->n_entries >= AGGREGATE_MAX_FINDINGS)
			return -ENOSPC;
		if (entry_new(incident, key, &entry))
			return -ENOMEM;
		entry->next = *bucket;
		*bucket = entry;
		aggregate->n_entries++;
	}
	finding_add(entry->finding, incident, &aggregate->n_bytes);
	return entry_add_spans(aggregate, entry, incident);
}

/* One incident as a finding of its own: what has not ended and may become of another kind. */
int aggregate_single(const struct incident *incident, struct finding **ret_finding)
{
	struct finding *finding;
	size_t n_bytes = 0;
	int r = finding_new(incident, &finding);

	if (r)
		return r;
	finding_add(finding, incident, &n_bytes);
	finding->p50_ns = finding->p99_ns = finding->max_ns;
	*ret_finding = finding;
	return 0;
}

static int stack_compare(const void *a, const void *b)
{
	const struct stack *x = *(struct stack *const *)a, *y = *(struct stack *const *)b;

	return (x->count < y->count) - (x->count > y->count);
}

static int entry_copy(struct entry *entry, struct finding **ret_finding)
{
	struct finding *copy = malloc(sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	*copy = *entry->finding;
	copy->p50_ns = spans_percentile(&entry->spans, 50);
	copy->p99_ns = spans_percentile(&entry->spans, 99);
	copy->n_stacks = 0;
	copy->origin = NULL;
	copy->task = entry->finding->task ? task_copy(entry->finding->task) : NULL;
	for (uint32_t i = 0; i < entry->finding->n_stacks; i++) {
		copy->stacks[copy->n_stacks] = stack_copy(entry->finding->stacks[i]);
		if (!copy->stacks[copy->n_stacks]) {
			finding_free(copy);
			return -ENOMEM;
		}
		copy->n_stacks++;
	}
	if (entry->finding->origin) {
		copy->origin = stack_copy(entry->finding->origin);
		if (!copy->origin) {
			finding_free(copy);
			return -ENOMEM;
		}
	}
	qsort(copy->stacks, copy->n_stacks, sizeof(copy->stacks[0]), stack_compare);
	*ret_finding = copy;
	return 0;
}

static void findings_free(struct finding **findings, uint32_t n_findings)
{
	for (uint32_t i = 0; i < n_findings; i++)
		finding_free(findings[i]);
	free(findings);
}

/*
 * All findings as they are now, in no order. The array and what is in it become the caller's.
 *
 * Return: 0 or -ENOMEM.
 */
int aggregate_copy(struct aggregate *aggregate, struct finding ***ret_findings,
		   uint32_t *ret_n_findings)
{
	struct finding **findings = calloc(aggregate->n_entries + 1, sizeof(*findings));
	uint32_t n = 0;

	if (!findings)
		return -ENOMEM;
	for (unsigned int i = 0; i < AGGREGATE_N_BUCKETS; i++)
		for (struct entry *entry = aggregate->buckets[i]; entry; entry = entry->next) {
			if (entry_copy(entry, &findings[n])) {
				findings_free(findings, n);
				return -ENOMEM;
			}
			n++;
		}
	*ret_findings = findings;
	*ret_n_findings = n;
	return 0;
}
