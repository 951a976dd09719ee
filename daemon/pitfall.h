/* SPDX-License-Identifier: Apache-2.0 */
/* Pitfall: what went wrong at one moment, as an incident */
#pragma once

#include "aggregate.h"
#include "watch.h"
#include "wire/record.h"

struct pitfall_moment {
	nsec_t at_ns; /* CLOCK_MONOTONIC */
	nsec_t span_ns;
};

struct pitfall_incident {
	struct incident incident; /* points into the rest */
	struct judgement judgement;
	struct site site;
	struct frame code;
	struct stack *stack;
	struct stack *origin;
	struct task *task;
};

enum verdict pitfall_judge(const struct watch *watch, const struct limits *limits,
			   const struct record_pitfall *record, const struct pitfall_moment *moment,
			   struct pitfall_incident *ret_pitfall);
void pitfall_deinit(struct pitfall_incident *pitfall);
