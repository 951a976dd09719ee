/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judge: is what was seen a finding
 *
 * The shim writes down what passed its limits; whether that is anybody's fault is decided here,
 * from numbers alone. Pure: no clock, no memory, no names, so that a table can test it.
 *
 * One cause, one finding. What a callback spent in calls that are reported by themselves is taken
 * off it, and the rest is judged on its own. Time in which the process could run and did not, was
 * stopped or throttled, or waited for another thread to let go of the GIL, is not the fault of the
 * code on the stack: with it taken off, a stall has to be past the limit still.
 *
 * The size of a finding is what the loop was held for: without the reported calls, and without the
 * time for which the whole process was frozen. Waiting for a CPU stays in it, as a part of its
 * own.
 */
#include "judge.h"

static nsec_t minus(nsec_t whole, nsec_t part)
{
	return whole > part ? whole - part : 0;
}

static nsec_t measured(int64_t ns)
{
	return ns > 0 ? (nsec_t)ns : 0;
}

static bool is_wanted(const struct limits *limits, enum finding_kind kind, nsec_t start_ns)
{
	return (limits->kinds & KIND_MASK(kind)) && start_ns >= limits->judged_from_ns;
}

/*
 * The parts are measured to one tick of the watchdog, so together they may exceed the whole. What
 * is left over is unknown; the sum is exact.
 */
static void split_cause(const struct stall_facts *facts, nsec_t span_ns, struct cause *ret_cause)
{
	nsec_t run_queue_ns = MIN(measured(facts->run_queue_ns), span_ns);
	nsec_t on_cpu_ns = MIN(measured(facts->cpu_ns), span_ns - run_queue_ns);
	nsec_t gil_wait_ns = MIN(measured(facts->gil_wait_ns), span_ns - run_queue_ns - on_cpu_ns);

	ret_cause->on_cpu_ns = facts->cpu_ns < 0 ? -1 : (int64_t)on_cpu_ns;
	ret_cause->run_queue_ns = facts->run_queue_ns < 0 ? -1 : (int64_t)run_queue_ns;
	ret_cause->gil_wait_ns = facts->gil_wait_ns < 0 ? -1 : (int64_t)gil_wait_ns;
	ret_cause->unknown_ns = (int64_t)(span_ns - run_queue_ns - on_cpu_ns - gil_wait_ns);
}

static void not_split(struct judgement *ret_judgement, enum finding_kind kind, nsec_t span_ns)
{
	ret_judgement->kind = kind;
	ret_judgement->span_ns = span_ns;
	ret_judgement->cause = (struct cause){.on_cpu_ns = -1,
					      .run_queue_ns = -1,
					      .unknown_ns = (int64_t)span_ns,
					      .gil_wait_ns = -1};
}

/* A hooked call that has returned, or the sum of many short ones. */
enum verdict judge_call(const struct limits *limits, const struct call_facts *facts,
			struct judgement *ret_judgement)
{
	nsec_t limit_ns = facts->is_summed ? limits->slow_callback_ns : limits->blocking_call_ns;

	if (!is_wanted(limits, KIND_BLOCKING_CALL, facts->start_ns))
		return VERDICT_NOTHING;
	if (facts->span_ns < limit_ns && !facts->is_strict)
		return VERDICT_NOTHING;
	not_split(ret_judgement, KIND_BLOCKING_CALL, facts->span_ns);
	return VERDICT_FINDING;
}

static enum verdict judge_stall(const struct limits *limits, const struct stall_facts *facts,
				enum finding_kind kind, nsec_t limit_ns,
				struct judgement *ret_judgement)
{
	nsec_t own_ns = minus(facts->span_ns, facts->reported_ns);
	nsec_t held_ns = minus(own_ns, measured(facts->frozen_ns));
	nsec_t rest_ns =
		minus(held_ns, measured(facts->run_queue_ns) + measured(facts->gil_wait_ns));

	if (!is_wanted(limits, kind, facts->start_ns) || own_ns < limit_ns)
		return VERDICT_NOTHING;
	if (rest_ns < limit_ns)
		return measured(facts->gil_wait_ns) > measured(facts->run_queue_ns)
			       ? VERDICT_GIL
			       : VERDICT_DESCHEDULED;
	ret_judgement->kind = kind;
	ret_judgement->span_ns = held_ns;
	split_cause(facts, held_ns, &ret_judgement->cause);
	return VERDICT_FINDING;
}

/* A callback that has ended. */
enum verdict judge_callback(const struct limits *limits, const struct stall_facts *facts,
			    struct judgement *ret_judgement)
{
	return judge_stall(limits, facts, KIND_SLOW_CALLBACK, limits->slow_callback_ns,
			   ret_judgement);
}

/* A turn that has ended; n_slow of its callbacks were past their limit. */
enum verdict judge_turn(const struct limits *limits, const struct stall_facts *facts,
			uint32_t n_slow, struct judgement *ret_judgement)
{
	if (n_slow)
		return VERDICT_NOTHING;
	return judge_stall(limits, facts, KIND_LONG_TURN, limits->long_turn_ns, ret_judgement);
}

/* A turn that has not ended: its process is gone, or somebody asks meanwhile. */
enum verdict judge_open(const struct limits *limits, nsec_t start_ns, nsec_t age_ns,
			struct judgement *ret_judgement)
{
	if (!is_wanted(limits, KIND_STUCK, start_ns) || age_ns < limits->stuck_ns)
		return VERDICT_NOTHING;
	not_split(ret_judgement, KIND_STUCK, age_ns);
	return VERDICT_FINDING;
}

/* Something that went wrong at one moment, or took span_ns where its kind has a size. */
enum verdict judge_pitfall(const struct limits *limits, enum finding_kind kind, nsec_t at_ns,
			   nsec_t span_ns, struct judgement *ret_judgement)
{
	if (!is_wanted(limits, kind, at_ns))
		return VERDICT_NOTHING;
	not_split(ret_judgement, kind, kind_is_timed(kind) ? span_ns : 0);
	return VERDICT_FINDING;
}
