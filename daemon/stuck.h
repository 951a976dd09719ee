/* SPDX-License-Identifier: Apache-2.0 */
/* Stuck: a turn that has not ended, as an incident */
#pragma once

#include <stdbool.h>

#include "aggregate.h"
#include "watch.h"

struct stuck {
	struct judgement judgement;
	struct site site;
	struct stack *stack;
	struct task *task;
	struct incident incident; /* points to the four above */
	nsec_t start_ns;
};

bool stuck_find(const struct watch *watch, uint32_t kinds, uint32_t index, nsec_t end_ns,
		struct stuck *ret_stuck);
void stuck_deinit(struct stuck *stuck);
int stuck_list(const struct watch *watch, uint32_t kinds, nsec_t now_ns, struct finding **findings,
	       uint32_t max_findings, uint32_t *ret_n_findings);
