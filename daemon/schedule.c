/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedule: the kernel's word on what a shim, or the probe of loops, has seen
 *
 * Both know when something began and ended and on which slot. The slot says which thread that is,
 * the kernel how that thread was scheduled meanwhile (waits.c). What it did in calls that are
 * reported by themselves is taken off the callback and the turn they were made in.
 */
#include "proc.h"
#include "schedule.h"
#include "waits.h"
#include "watch.h"
#include "waits-api.bpf.h"

/* A shim says its threads' numbers as its own pid namespace has them, a probe as ours has. */
static int32_t our_tid(const struct watch *watch, int32_t tid)
{
	if (watch->region.header->via == REGION_VIA_BPF)
		return tid;
	/* Its first thread, also when it has ended. */
	if (tid == (int32_t)watch->region.header->pid)
		return watch->pid;
	return proc_find_thread(watch->pid, tid);
}

static void follow_slot(struct waits *waits, struct watch *watch, uint32_t index)
{
	const struct slot *slot = region_slot(&watch->region, index);
	struct watch_thread *thread = &watch->threads[index];
	int32_t tid = slot->tid;

	if (atomic_load_explicit(&slot->state, memory_order_acquire) != SLOT_USED ||
	    (thread->their_tid == tid && thread->opened == slot->opened))
		return;
	/* Another thread counts its turns anew. */
	watch->calls[index] = (struct watch_calls){0};
	*thread = (struct watch_thread){tid, our_tid(watch, tid), slot->opened};
	if (thread->our_tid > 0)
		waits_want(waits, watch->pid, thread->our_tid);
}

/* Have those threads told of that run loops. waits NULL: the kernel tells nothing. */
void schedule_follow(struct waits *waits, struct watch *watch)
{
	if (!waits || !watch->is_mapped || watch->pidfd < 0)
		return;
	for (uint32_t i = 0; i < REGION_N_SLOTS; i++)
		follow_slot(waits, watch, i);
}

/* What a slot's thread did in a stretch of time that is over. */
struct schedule schedule_of(struct waits *waits, const struct watch *watch, uint32_t slot,
			    nsec_t from_ns, nsec_t span_ns)
{
	int32_t tid = watch->threads[slot].our_tid;
	nsec_t ns[WAITS_N];

	if (!waits || tid <= 0 || !waits_span(waits, tid, from_ns, from_ns + span_ns, ns))
		return (struct schedule){.is_known = false};
	return (struct schedule){
		.is_known = true,
		.on_cpu_ns = ns[WAITS_RAN],
		.run_queue_ns = ns[WAITS_RUN_QUEUE],
		.blocked_ns = ns[WAITS_BLOCKED] + ns[WAITS_LOCK],
		.uninterruptible_ns = ns[WAITS_DISK],
		.gil_wait_ns = ns[WAITS_GIL],
		.page_fault_ns = ns[WAITS_PAGE],
		.frozen_ns = ns[WAITS_FROZEN],
	};
}

static void schedule_add(struct schedule *sum, const struct schedule *more)
{
	sum->is_known = true;
	sum->on_cpu_ns += more->on_cpu_ns;
	sum->run_queue_ns += more->run_queue_ns;
	sum->blocked_ns += more->blocked_ns;
	sum->uninterruptible_ns += more->uninterruptible_ns;
	sum->gil_wait_ns += more->gil_wait_ns;
	sum->page_fault_ns += more->page_fault_ns;
	sum->frozen_ns += more->frozen_ns;
}

static void less(nsec_t *whole, nsec_t part)
{
	*whole -= MIN(part, *whole);
}

/* Remember a call that is reported by itself, until its callback and turn are judged. */
void schedule_keep_call(struct watch *watch, const struct record_call *call,
			const struct schedule *schedule)
{
	struct watch_calls *calls = &watch->calls[call->slot];

	if (!schedule->is_known)
		return;
	if (calls->turn_seq != call->turn_seq)
		*calls = (struct watch_calls){.turn_seq = call->turn_seq};
	if (calls->callback_seq != call->callback_seq)
		calls->of_callback = (struct schedule){.is_known = false};
	calls->callback_seq = call->callback_seq;
	schedule_add(&calls->of_turn, schedule);
	schedule_add(&calls->of_callback, schedule);
}

/* What is left of a callback's or a turn's, without those calls. */
struct schedule schedule_less_calls(const struct watch *watch, const struct stall_query *query,
				    const struct schedule *whole)
{
	const struct watch_calls *calls = &watch->calls[query->slot];
	const struct schedule *part =
		query->is_one_callback ? &calls->of_callback : &calls->of_turn;
	struct schedule rest = *whole;

	if (calls->turn_seq != query->turn_seq ||
	    (query->is_one_callback && calls->callback_seq != query->callback_seq))
		return rest;
	less(&rest.on_cpu_ns, part->on_cpu_ns);
	less(&rest.run_queue_ns, part->run_queue_ns);
	less(&rest.blocked_ns, part->blocked_ns);
	less(&rest.uninterruptible_ns, part->uninterruptible_ns);
	less(&rest.gil_wait_ns, part->gil_wait_ns);
	less(&rest.page_fault_ns, part->page_fault_ns);
	less(&rest.frozen_ns, part->frozen_ns);
	return rest;
}
