/* SPDX-License-Identifier: Apache-2.0 */
/* Aggregate: incidents gathered into findings, one for each kind and site */
#pragma once

#include "judge.h"
#include "model.h"
#include "site.h"

struct aggregate;

/* One incident, ready to be counted. */
struct incident {
	const struct judgement *judgement;
	const struct site *site;
	uint32_t n_times; /* told of at once, the span is of them all; 0 is 1 */
	uint64_t seen_at; /* CLOCK_REALTIME, of its start */
	int32_t pid;
	const char *test; /* the pytest node that ran; NULL: none */
	const char *name;
	const char *name_file;	    /* module of the code that name names */
	const char *detail;	    /* of this one, for people */
	uint32_t n;		    /* task-flood: how many tasks; else 0 or 1 */
	bool is_more;		    /* counted before, when n was less */
	const struct stack *origin; /* where it was made; NULL: not known */
	struct call call;
	const struct task *task;
	struct stack *const *stacks;
	uint32_t n_stacks;
};

int aggregate_new(struct aggregate **ret_aggregate);
struct aggregate *aggregate_free(struct aggregate *aggregate);
void aggregate_freep(struct aggregate **aggregate);

int aggregate_add(struct aggregate *aggregate, const struct incident *incident);
int aggregate_copy(struct aggregate *aggregate, struct finding ***ret_findings,
		   uint32_t *ret_n_findings);
int aggregate_single(const struct incident *incident, struct finding **ret_finding);
