/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stuck: turns that have not ended
 *
 * The slot says that a turn is open and since when, the last sample of it says where it stands.
 * Asked for when a process has ended, and it will never come back; or while it lives, and then what
 * is found is provisional.
 *
 * With --native the stack of what computes is the one that it was stopped for (trace.c), as long as
 * the last sample stands at the same lines. A call that has not returned cannot tell its own native
 * frames, and a thread that waits is not stopped: its stack stays Python's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stuck.h"
#include "task.h"

/* As in drain.c: sums of what a stranger claims stay far from overflow. */
#define STUCK_MAX_SPAN_NS (UINT64_C(365) * 86400 * NSEC_PER_SEC)

void stuck_deinit(struct stuck *stuck)
{
	free(stuck->stack);
	free(stuck->task);
}

static const char *stuck_call(const struct watch *watch, const struct slot *slot,
			      const struct record_sample *last)
{
	if (last)
		return last->what == RECORD_WHAT_CALL ? watch_string(watch, last->call_str) : NULL;
	return atomic_load(&slot->call_start) ? watch_string(watch, atomic_load(&slot->call_str))
					      : NULL;
}

/* Of what a call that has not ended waits for, all that is known is who has a lock. */
static const char *stuck_target(const struct watch *watch, const struct record_sample *last)
{
	char text[32];
	int length;

	if (!last || last->what != RECORD_WHAT_CALL || last->fd >= -1)
		return NULL;
	length = snprintf(text, sizeof(text), "lock of thread %" PRId64, -1 - (int64_t)last->fd);
	return pool_keep(names_pool(watch->names), text, (size_t)length);
}

static struct stack *stuck_stack(const struct watch *watch, uint32_t index, uint64_t start,
				 const struct record_sample *last)
{
	struct stack *python = last ? watch_stack(watch, &last->head) : NULL;
	struct stack *merged = NULL;

	if (python && last->what == RECORD_WHAT_CALLBACK)
		merged = trace_stuck(&watch->trace, index, start, python);
	if (!merged)
		return python;
	free(python);
	return merged;
}

/*
 * The turn that is open on a slot at end_ns, when it is stuck. Where samples are taken, one past
 * the limit has to be there: a process that was stopped stands still without being stuck.
 */
bool stuck_find(const struct watch *watch, uint32_t kinds, uint32_t index, nsec_t end_ns,
		struct stuck *ret_stuck)
{
	const struct slot *slot = region_slot(&watch->region, index);
	uint64_t start = atomic_load(&slot->turn_start), turn_seq = atomic_load(&slot->turn_seq);
	const struct record_sample *last = stall_last(&watch->stalls, index, turn_seq);
	bool is_sampled = atomic_load(&watch->region.header->detectors) & DETECTOR_SAMPLES;
	struct clock_scale scale = watch_scale(watch);
	struct limits limits = watch_limits(watch, kinds);
	nsec_t start_ns = clock_point_ns(&scale, start);

	memset(ret_stuck, 0, sizeof(*ret_stuck));
	if (atomic_load(&slot->state) != SLOT_USED || !start || (is_sampled && !last) ||
	    end_ns < start_ns)
		return false;
	if (judge_open(&limits, start_ns, MIN(end_ns - start_ns, STUCK_MAX_SPAN_NS),
		       &ret_stuck->judgement) != VERDICT_FINDING)
		return false;
	ret_stuck->start_ns = start_ns;
	ret_stuck->stack = stuck_stack(watch, index, start, last);
	ret_stuck->task =
		last ? task_of_callback(watch, index, turn_seq, last->callback_seq) : NULL;
	site_of_stack(ret_stuck->stack, &ret_stuck->site);
	ret_stuck->incident = (struct incident){
		.judgement = &ret_stuck->judgement,
		.site = &ret_stuck->site,
		.seen_at = watch_realtime(watch, start_ns),
		.pid = watch->pid,
		.call = {.name = stuck_call(watch, slot, last),
			 .target = stuck_target(watch, last),
			 .fd = -1,
			 .gil_held = -1},
		.task = ret_stuck->task,
		.stacks = &ret_stuck->stack,
		.n_stacks = ret_stuck->stack != NULL,
	};
	return true;
}

/*
 * What is stuck now, each as a provisional finding, which the caller owns.
 *
 * Return: 0 or -ENOMEM.
 */
int stuck_list(const struct watch *watch, uint32_t kinds, nsec_t now_ns, struct finding **findings,
	       uint32_t max_findings, uint32_t *ret_n_findings)
{
	uint32_t n = 0;
	int r = 0;

	for (uint32_t i = 0; !r && i < REGION_N_SLOTS && n < max_findings; i++) {
		struct stuck stuck;

		if (stuck_find(watch, kinds, i, now_ns, &stuck)) {
			r = aggregate_single(&stuck.incident, &findings[n]);
			if (!r)
				findings[n++]->is_provisional = true;
		}
		stuck_deinit(&stuck);
	}
	*ret_n_findings = n;
	return r;
}
