/* SPDX-License-Identifier: Apache-2.0 */
/* Schedule: how a stretch of a loop's time was spent, where the kernel tells */
#pragma once

#include "judge.h"
#include "wire/record.h"

struct stall_query;
struct waits;
struct watch;

void schedule_follow(struct waits *waits, struct watch *watch);
struct schedule schedule_of(struct waits *waits, const struct watch *watch, uint32_t slot,
			    nsec_t from_ns, nsec_t span_ns);
void schedule_keep_call(struct watch *watch, const struct record_call *call,
			const struct schedule *schedule);
struct schedule schedule_less_calls(const struct watch *watch, const struct stall_query *query,
				    const struct schedule *whole);
