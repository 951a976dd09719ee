/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drain: what a watch has recorded since, judged and counted
 *
 * Each record is copied out of the ring, checked whole, and then goes its way: a sample waits, the
 * end of a call, callback or turn is judged, its samples say who is to blame, and the aggregate
 * counts it. A region, a recording and a test go through the same drain_record().
 *
 * A stall can end without a record: it had no size worth one. It is known to have ended when its
 * slot counts a later turn. The slots are read before the ring is, so that every record of the
 * turns that were over by then has been seen.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drain.h"
#include "exempt.h"
#include "pitfall.h"
#include "schedule.h"
#include "stuck.h"
#include "task.h"
#include "trace.h"
#include "wire/check.h"
#include "wire/ring.h"

/* So that one process that writes as fast as it can does not keep the others waiting. */
#define DRAIN_MAX_RECORDS 8192

/* No stall is longer. Sums of what a stranger claims then stay far from overflow. */
#define DRAIN_MAX_SPAN_NS (UINT64_C(365) * 86400 * NSEC_PER_SEC)

static nsec_t span_ns(const struct watch *watch, uint64_t ticks)
{
	struct clock_scale scale = watch_scale(watch);

	return MIN(clock_span_ns(&scale, ticks), DRAIN_MAX_SPAN_NS);
}

static nsec_t point_ns(const struct watch *watch, uint64_t ticks)
{
	struct clock_scale scale = watch_scale(watch);

	return clock_point_ns(&scale, ticks);
}

static void live_event_of(const struct watch *watch, const struct incident *incident,
			  struct live_event *ret_event)
{
	*ret_event = (struct live_event){
		.kind = incident->judgement->kind,
		.culprit = &incident->site->culprit,
		.call = incident->call.name,
		.span_ns = incident->judgement->span_ns,
		.pid = watch->pid,
	};
}

/* A judged incident: count it and say so. */
static void drain_count(struct drain *drain, struct watch *watch, struct incident *incident,
			nsec_t start_ns)
{
	struct live_event event;

	incident->pid = watch->pid;
	incident->test = watch->test;
	incident->seen_at = watch_realtime(watch, start_ns);
	if (aggregate_add(drain->aggregate, incident))
		watch->lost.n[LOST_FINDINGS]++;
	live_event_of(watch, incident, &event);
	if (kind_is_timed(incident->judgement->kind))
		live_end(drain->live, drain->now_ns, &event);
}

static void drain_close(struct watch *watch, uint32_t slot, uint64_t turn_seq)
{
	struct stall *stall = &watch->stalls.stalls[slot];

	if (stall->is_open && stall->turn_seq <= turn_seq)
		stall->is_open = false;
}

/* Nobody is to blame. Where its start was told, so is its end. */
static void drain_unblamed(struct drain *drain, struct watch *watch,
			   const struct stall_query *query, struct live_event *event)
{
	const struct stall *stall = &watch->stalls.stalls[query->slot];
	const struct record_sample *last = stall_last(&watch->stalls, query->slot, query->turn_seq);
	struct stack *stack;
	struct site site;

	watch->n_gil += event->is_gil;
	watch->n_descheduled += !event->is_gil;
	if (!stall->is_open || stall->turn_seq != query->turn_seq || !last)
		return;
	stack = watch_stack(watch, &last->head);
	site_of_stack(stack, &site);
	event->culprit = &site.culprit;
	live_end(drain->live, drain->now_ns, event);
	free(stack);
}

/* Whether a verdict is a finding; where it excuses, that is said. */
static bool drain_blames(struct drain *drain, struct watch *watch, enum verdict verdict,
			 const struct stall_query *query, nsec_t span_ns)
{
	struct live_event event = {
		.kind = _KIND_N,
		.pid = watch->pid,
		.span_ns = span_ns,
		.is_gil = verdict == VERDICT_GIL,
	};

	if (verdict == VERDICT_DESCHEDULED || verdict == VERDICT_GIL)
		drain_unblamed(drain, watch, query, &event);
	return verdict == VERDICT_FINDING;
}

static void drain_call(struct drain *drain, struct watch *watch, const struct record_call *call)
{
	struct limits limits = watch_limits(watch, drain->kinds);
	struct call_facts facts = {
		.start_ns = point_ns(watch, call->start),
		.span_ns = span_ns(watch, call->span),
		.is_summed = call->head.flags & RECORD_FLAG_SUMMED,
		.is_strict = call->head.flags & RECORD_FLAG_STRICT,
	};
	struct stall_query query = {.slot = call->slot, .turn_seq = call->turn_seq};
	enum verdict verdict;
	bool is_gil_known = call->head.flags & RECORD_FLAG_GIL_KNOWN;
	uint32_t n_times = facts.is_strict ? MAX(call->n_calls, 1u) : 1;
	bool is_blamed;
	struct judgement judgement;
	struct stack *stack;
	struct task *task;
	struct site site;

	if (call->n_calls <= 1)
		facts.schedule =
			schedule_of(drain->waits, watch, call->slot, facts.start_ns, facts.span_ns);
	schedule_keep_call(watch, call, &facts.schedule);
	verdict = judge_call(&limits, &facts, &judgement);
	is_blamed = drain_blames(drain, watch, verdict, &query, facts.span_ns);
	stall_forget_call(&watch->stalls, call);
	drain_close(watch, call->slot, call->turn_seq);
	if (!is_blamed)
		return;
	stack = watch_stack(watch, &call->head);
	if (exempt_call(watch_string(watch, call->call_str), stack)) {
		free(stack);
		return;
	}
	native_join(drain->symbols, watch, call, &stack);
	site_of_stack(stack, &site);
	task = task_of_callback(watch, call->slot, call->turn_seq, call->callback_seq);
	if (stack)
		stack->count = n_times;
	drain_count(drain, watch,
		    &(struct incident){
			    .judgement = &judgement,
			    .site = &site,
			    .n_times = n_times,
			    .call = {.name = watch_string(watch, call->call_str),
				     .target = watch_string(watch, call->target_str),
				     .fd = MAX(call->fd, -1),
				     .n_calls = facts.is_strict ? 1 : call->n_calls,
				     .gil_held = !is_gil_known				   ? -1
						 : call->head.flags & RECORD_FLAG_GIL_HELD ? 1
											   : 0},
			    .task = task,
			    .stacks = &stack,
			    .n_stacks = stack != NULL,
		    },
		    facts.start_ns);
	free(task);
	free(stack);
}

/* The callable of a record, for want of a sample. */
struct callable {
	uint32_t file_str;
	uint32_t function_str;
	int32_t first_line;
};

/*
 * A callback or a turn that has been judged: its samples say who is to blame. Where it was not
 * sampled, the callable that ran is all that is known.
 */
static void drain_sampled(struct drain *drain, struct watch *watch, const struct stall_query *query,
			  const struct callable *callable, struct judgement *judgement)
{
	const struct record_sample *samples[STALL_MAX_SAMPLES];
	struct stack *stacks[STALL_MAX_SAMPLES];
	uint32_t n_samples = stall_find(&watch->stalls, query, samples), n = 0;
	struct task *task = NULL;
	struct site site;

	for (uint32_t i = 0; i < n_samples; i++) {
		samples[n] = samples[i];
		stacks[n] = watch_stack(watch, &samples[i]->head);
		n += stacks[n] != NULL;
	}
	trace_apply(drain, watch, query, samples, stacks, n);
	site_of_samples(stacks, n, &site);
	if (!site.culprit.file && !site.culprit.function) {
		struct record_frame raw = {
			.file_str = callable->file_str,
			.function_str = callable->function_str,
			.line = callable->first_line,
		};

		watch_frame(watch, &raw, &site.culprit);
	}
	if (query->is_one_callback)
		task = task_of_callback(watch, query->slot, query->turn_seq, query->callback_seq);
	drain_count(drain, watch,
		    &(struct incident){
			    .judgement = judgement,
			    .site = &site,
			    .call = {.fd = -1, .gil_held = -1},
			    .task = task,
			    .stacks = stacks,
			    .n_stacks = n,
		    },
		    point_ns(watch, query->from));
	free(task);
	while (n)
		free(stacks[--n]);
}

/* How a callback or a turn was scheduled, beside the calls that are reported by themselves. */
static struct schedule drain_schedule(const struct drain *drain, const struct watch *watch,
				      const struct stall_query *query,
				      const struct stall_facts *facts)
{
	struct schedule whole =
		schedule_of(drain->waits, watch, query->slot, facts->start_ns, facts->span_ns);

	return schedule_less_calls(watch, query, &whole);
}

static void drain_callback(struct drain *drain, struct watch *watch,
			   const struct record_callback *callback)
{
	struct limits limits = watch_limits(watch, drain->kinds);
	struct stall_facts facts = {
		.start_ns = point_ns(watch, callback->start),
		.span_ns = span_ns(watch, callback->span),
		.reported_ns = span_ns(watch, callback->reported),
		.cpu_ns = callback->cpu_ns,
		.run_queue_ns = callback->run_queue_ns,
		.frozen_ns = callback->frozen_ns,
		.gil_wait_ns = callback->gil_wait_ns,
		.gc_ns = record_gc_ns(&callback->head),
	};
	struct stall_query query = {
		.slot = callback->slot,
		.turn_seq = callback->turn_seq,
		.is_one_callback = true,
		.callback_seq = callback->callback_seq,
		.from = callback->start,
		.to = callback->head.ticks,
	};
	struct callable callable = {callback->file_str, callback->function_str,
				    callback->first_line};
	struct judgement judgement;
	bool is_blamed;

	facts.schedule = drain_schedule(drain, watch, &query, &facts);
	is_blamed = drain_blames(drain, watch, judge_callback(&limits, &facts, &judgement), &query,
				 facts.span_ns);
	drain_close(watch, callback->slot, callback->turn_seq);
	if (is_blamed)
		drain_sampled(drain, watch, &query, &callable, &judgement);
}

static void drain_turn(struct drain *drain, struct watch *watch, const struct record_turn *turn)
{
	struct limits limits = watch_limits(watch, drain->kinds);
	struct stall_facts facts = {
		.start_ns = point_ns(watch, turn->start),
		.span_ns = span_ns(watch, turn->span),
		.reported_ns = span_ns(watch, turn->reported),
		.cpu_ns = turn->cpu_ns,
		.run_queue_ns = turn->run_queue_ns,
		.frozen_ns = turn->frozen_ns,
		.gil_wait_ns = turn->gil_wait_ns,
		.gc_ns = record_gc_ns(&turn->head),
	};
	struct stall_query query = {
		.slot = turn->slot,
		.turn_seq = turn->turn_seq,
		.from = turn->start,
		.to = turn->head.ticks,
	};
	struct callable callable = {turn->file_str, turn->function_str, turn->first_line};
	struct judgement judgement;

	facts.schedule = drain_schedule(drain, watch, &query, &facts);
	if (drain_blames(drain, watch, judge_turn(&limits, &facts, turn->n_slow, &judgement),
			 &query, facts.span_ns))
		drain_sampled(drain, watch, &query, &callable, &judgement);
	drain_close(watch, turn->slot, turn->turn_seq);
	stall_forget_before(&watch->stalls, turn->slot, turn->turn_seq + 1);
}

static void tell_sample(struct drain *drain, struct watch *watch,
			const struct record_sample *sample, bool is_stuck)
{
	struct stall *stall = &watch->stalls.stalls[sample->slot];
	struct stack *stack = watch_stack(watch, &sample->head);
	nsec_t start_ns = point_ns(watch, sample->start);
	struct site site;
	struct live_event event = {.kind = KIND_STUCK, .culprit = &site.culprit, .pid = watch->pid};

	site_of_stack(stack, &site);
	if (sample->what == RECORD_WHAT_CALL)
		event.call = watch_string(watch, sample->call_str);
	event.span_ns = drain->now_ns > start_ns ? drain->now_ns - start_ns : 0;
	if (is_stuck)
		stall->is_stuck = live_stuck(drain->live, drain->now_ns, &event);
	else
		live_start(drain->live, drain->now_ns, &event);
	free(stack);
}

static nsec_t sample_limit(const struct limits *limits, const struct record_sample *sample)
{
	switch (sample->what) {
	case RECORD_WHAT_CALL:
		return MIN(limits->blocking_call_ns, limits->slow_callback_ns);
	case RECORD_WHAT_CALLBACK:
		return limits->slow_callback_ns;
	default:
		return limits->long_turn_ns;
	}
}

static void drain_sample(struct drain *drain, struct watch *watch,
			 const struct record_sample *sample)
{
	struct stall *stall = &watch->stalls.stalls[sample->slot];
	const struct slot *slot = region_slot(&watch->region, sample->slot);
	struct limits limits = watch_limits(watch, drain->kinds);

	if (stall_add(&watch->stalls, sample)) {
		watch->lost.n[LOST_SAMPLES]++;
		return;
	}
	if ((sample->head.flags & RECORD_FLAG_EARLY) || sample->head.ticks < sample->start ||
	    span_ns(watch, sample->head.ticks - sample->start) < sample_limit(&limits, sample))
		return;
	trace_sample(drain, watch, sample);
	if (stall->is_open && stall->turn_seq == sample->turn_seq &&
	    stall->callback_seq == sample->callback_seq)
		return;
	/* The ring is read late: what is over by now is told by its end alone. */
	if (atomic_load(&slot->turn_seq) != sample->turn_seq)
		return;
	*stall = (struct stall){
		.is_open = true,
		.turn_seq = sample->turn_seq,
		.callback_seq = sample->callback_seq,
		.start = sample->start,
	};
	tell_sample(drain, watch, sample, false);
}

static void drain_pitfall(struct drain *drain, struct watch *watch,
			  const struct record_pitfall *record)
{
	uint64_t at = record->start ? record->start : record->head.ticks;
	struct pitfall_moment moment = {
		.at_ns = point_ns(watch, at),
		.span_ns = span_ns(watch, record->span),
	};
	struct limits limits = watch_limits(watch, drain->kinds);
	struct pitfall_incident pitfall;

	if (pitfall_judge(watch, &limits, record, &moment, &pitfall) == VERDICT_FINDING)
		drain_count(drain, watch, &pitfall.incident, moment.at_ns);
	pitfall_deinit(&pitfall);
}

/* The slot of a record that has one; RECORD_PITFALL alone may come from a thread without. */
static uint32_t record_slot(const struct record *record)
{
	switch (record->type) {
	case RECORD_CALL:
		return ((const struct record_call *)record)->slot;
	case RECORD_CALLBACK:
		return ((const struct record_callback *)record)->slot;
	case RECORD_TURN:
		return ((const struct record_turn *)record)->slot;
	case RECORD_SAMPLE:
		return ((const struct record_sample *)record)->slot;
	case RECORD_NATIVE:
		return ((const struct record_native *)record)->slot;
	case RECORD_TASK:
		return ((const struct record_task *)record)->slot;
	case RECORD_PAUSE:
		return ((const struct record_pause *)record)->slot;
	default:
		return 0;
	}
}

/* Judge and count one record, of which only the size is known to be sane. */
void drain_record(struct drain *drain, struct watch *watch, const struct record *record,
		  uint32_t size_bytes)
{
	if (record_check(record, size_bytes) || record_slot(record) >= REGION_N_SLOTS) {
		watch->lost.n[LOST_RECORD_CORRUPT]++;
		return;
	}
	slices_add(drain->slices, watch, record);
	switch (record->type) {
	case RECORD_CALL:
		drain_call(drain, watch, (const struct record_call *)record);
		break;
	case RECORD_CALLBACK:
		drain_callback(drain, watch, (const struct record_callback *)record);
		break;
	case RECORD_TURN:
		drain_turn(drain, watch, (const struct record_turn *)record);
		break;
	case RECORD_SAMPLE:
		drain_sample(drain, watch, (const struct record_sample *)record);
		break;
	case RECORD_PITFALL:
		drain_pitfall(drain, watch, (const struct record_pitfall *)record);
		break;
	case RECORD_NATIVE:
		native_keep(&watch->natives, (const struct record_native *)record);
		break;
	case RECORD_TEST:
		watch_set_test(watch, (const struct record_test *)record);
		break;
	case RECORD_TASK:
		if (stall_add_task(&watch->stalls, (const struct record_task *)record))
			watch->lost.n[LOST_SAMPLES]++;
		break;
	default:
		break;
	}
	/* Behind the stacks that it was given. */
	if (watch->tape)
		tape_add(watch->tape, record, size_bytes);
}

/* Return: the last enum ring_result, RING_E_PENDING also when there is more than fits one go. */
static int drain_ring(struct drain *drain, struct watch *watch)
{
	_Alignas(8) unsigned char buf[RECORD_MAX_BYTES];

	for (unsigned int i = 0; i < DRAIN_MAX_RECORDS; i++) {
		uint32_t size_bytes;
		int r = ring_take(&watch->region, buf, sizeof(buf), &size_bytes);

		if (r == RING_E_CORRUPT) {
			watch->is_corrupt = true;
			watch->lost.n[LOST_RING_CORRUPT]++;
		}
		if (r)
			return r;
		drain_record(drain, watch, (struct record *)buf, size_bytes);
	}
	return RING_E_PENDING;
}

static void drain_sweep(struct drain *drain, struct watch *watch,
			const uint64_t turn_seqs[REGION_N_SLOTS])
{
	nsec_t stuck_ns = watch_limits(watch, drain->kinds).stuck_ns;

	for (uint32_t i = 0; i < REGION_N_SLOTS; i++) {
		struct stall *stall = &watch->stalls.stalls[i];
		const struct record_sample *last;
		nsec_t start_ns;

		if (watch->stalls.n_samples)
			stall_forget_before(&watch->stalls, i, turn_seqs[i]);
		if (stall->is_open && stall->turn_seq < turn_seqs[i])
			stall->is_open = false;
		if (!stall->is_open || stall->is_stuck)
			continue;
		start_ns = point_ns(watch, stall->start);
		last = stall_last(&watch->stalls, i, stall->turn_seq);
		if (last && drain->now_ns > start_ns && drain->now_ns - start_ns >= stuck_ns)
			tell_sample(drain, watch, last, true);
	}
}

/* Take all that a process has recorded since. To be called every few tens of ms. */
void drain_watch(struct drain *drain, struct watch *watch)
{
	uint64_t turn_seqs[REGION_N_SLOTS];

	if (watch->is_corrupt)
		return;
	watch_calibrate(watch);
	trace_collect(drain, watch, 0);
	schedule_follow(drain->waits, watch);
	for (uint32_t i = 0; i < REGION_N_SLOTS; i++) {
		turn_seqs[i] = atomic_load_explicit(&region_slot(&watch->region, i)->turn_seq,
						    memory_order_acquire);
		watch->has_loop |= turn_seqs[i] != 0;
	}
	if (drain_ring(drain, watch) == RING_E_EMPTY)
		drain_sweep(drain, watch, turn_seqs);
}

/*
 * The process is gone: take what is left, and judge what it never came back from. After an exec
 * (is_killed false) there is no telling whether it would have.
 */
void drain_last(struct drain *drain, struct watch *watch, bool is_killed, nsec_t ended_ns)
{
	int r = RING_E_PENDING;

	watch_calibrate(watch);
	schedule_follow(drain->waits, watch);
	for (unsigned int i = 0; r == RING_E_PENDING && i < REGION_RING_BYTES / DRAIN_MAX_RECORDS;
	     i++)
		r = watch->is_corrupt ? RING_E_CORRUPT : drain_ring(drain, watch);
	watch->lost.n[LOST_RING_CUT] += r == RING_E_PENDING;
	for (uint32_t i = 0; is_killed && i < REGION_N_SLOTS; i++) {
		struct stuck stuck;

		if (stuck_find(watch, drain->kinds, i, ended_ns, &stuck))
			drain_count(drain, watch, &stuck.incident, stuck.start_ns);
		stuck_deinit(&stuck);
	}
}
