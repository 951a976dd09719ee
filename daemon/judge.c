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

/* What of a part fits into what is left, which it is taken off. -1: it was not measured. */
static int64_t take_part(int64_t part_ns, nsec_t *left_ns)
{
	nsec_t taken_ns = MIN(measured(part_ns), *left_ns);

	*left_ns -= taken_ns;
	return part_ns < 0 ? -1 : (int64_t)taken_ns;
}

/* The collector computes, on the same thread: what it took was on the CPU, or is what is left. */
static int64_t take_collections(int64_t gc_ns, int64_t *on_cpu_ns, nsec_t *left_ns)
{
	nsec_t on_cpu = MIN(measured(gc_ns), measured(*on_cpu_ns));
	nsec_t rest = MIN(measured(gc_ns) - on_cpu, *left_ns);

	if (gc_ns < 0)
		return -1;
	if (on_cpu)
		*on_cpu_ns -= (int64_t)on_cpu;
	*left_ns -= rest;
	return (int64_t)(on_cpu + rest);
}

/*
 * The parts of a shim are measured to one tick of the watchdog, those of the kernel go over calls
 * that are reported by themselves, so together they may exceed the whole. What is left over is
 * unknown; the sum is exact.
 */
static void split_cause(const struct stall_facts *facts, nsec_t span_ns, struct cause *ret_cause)
{
	const struct schedule *schedule = &facts->schedule;
	nsec_t left_ns = span_ns;

	ret_cause->run_queue_ns = take_part(facts->run_queue_ns, &left_ns);
	ret_cause->on_cpu_ns = take_part(facts->cpu_ns, &left_ns);
	ret_cause->gil_wait_ns = take_part(facts->gil_wait_ns, &left_ns);
	ret_cause->page_fault_ns =
		take_part(schedule->is_known ? (int64_t)schedule->page_fault_ns : -1, &left_ns);
	ret_cause->uninterruptible_ns = take_part(
		schedule->is_known ? (int64_t)schedule->uninterruptible_ns : -1, &left_ns);
	ret_cause->blocked_ns =
		take_part(schedule->is_known ? (int64_t)schedule->blocked_ns : -1, &left_ns);
	ret_cause->gc_ns = take_collections(facts->gc_ns, &ret_cause->on_cpu_ns, &left_ns);
	ret_cause->unknown_ns = (int64_t)left_ns;
}

/* With the kernel's word in the place of what was measured otherwise. */
static struct stall_facts with_schedule(const struct stall_facts *facts)
{
	const struct schedule *schedule = &facts->schedule;
	struct stall_facts known = *facts;

	if (!schedule->is_known)
		return known;
	known.cpu_ns = (int64_t)schedule->on_cpu_ns;
	known.run_queue_ns = (int64_t)schedule->run_queue_ns;
	known.frozen_ns = (int64_t)schedule->frozen_ns;
	known.gil_wait_ns = (int64_t)schedule->gil_wait_ns;
	return known;
}

static void not_split(struct judgement *ret_judgement, enum finding_kind kind, nsec_t span_ns)
{
	ret_judgement->kind = kind;
	ret_judgement->span_ns = span_ns;
	ret_judgement->cause = (struct cause){.on_cpu_ns = -1,
					      .run_queue_ns = -1,
					      .unknown_ns = (int64_t)span_ns,
					      .gil_wait_ns = -1,
					      .page_fault_ns = -1,
					      .blocked_ns = -1,
					      .uninterruptible_ns = -1,
					      .gc_ns = -1};
}

/*
 * What is excused may have been so within calls that are reported by themselves, and would then be
 * taken off twice. What the kernel says to have run was not excused at all.
 */
static enum verdict judge_held(const struct stall_facts *facts, nsec_t own_ns, nsec_t limit_ns,
			       struct judgement *ret_judgement)
{
	nsec_t ran_ns = MIN(facts->schedule.is_known ? facts->schedule.on_cpu_ns : 0, own_ns);
	nsec_t held_ns = MAX(minus(own_ns, measured(facts->frozen_ns)), ran_ns);
	nsec_t rest_ns =
		minus(held_ns, measured(facts->run_queue_ns) + measured(facts->gil_wait_ns));

	rest_ns = MAX(rest_ns, ran_ns);
	if (rest_ns < limit_ns)
		return measured(facts->gil_wait_ns) > measured(facts->run_queue_ns)
			       ? VERDICT_GIL
			       : VERDICT_DESCHEDULED;
	ret_judgement->span_ns = held_ns;
	split_cause(facts, held_ns, &ret_judgement->cause);
	return VERDICT_FINDING;
}

/*
 * A hooked call that has returned, or the sum of many short ones. How its thread was scheduled
 * meanwhile only the kernel can tell, and of one stretch of time.
 */
enum verdict judge_call(const struct limits *limits, const struct call_facts *facts,
			struct judgement *ret_judgement)
{
	nsec_t limit_ns = facts->is_summed ? limits->slow_callback_ns : limits->blocking_call_ns;
	struct stall_facts stall = {.schedule = facts->schedule};

	if (!is_wanted(limits, KIND_BLOCKING_CALL, facts->start_ns))
		return VERDICT_NOTHING;
	if (facts->span_ns < limit_ns && !facts->is_strict)
		return VERDICT_NOTHING;
	not_split(ret_judgement, KIND_BLOCKING_CALL, facts->span_ns);
	if (facts->is_summed || !facts->schedule.is_known)
		return VERDICT_FINDING;
	stall = with_schedule(&stall);
	return judge_held(&stall, facts->span_ns, facts->is_strict ? 0 : limit_ns, ret_judgement);
}

static enum verdict judge_stall(const struct limits *limits, const struct stall_facts *seen,
				enum finding_kind kind, nsec_t limit_ns,
				struct judgement *ret_judgement)
{
	struct stall_facts facts = with_schedule(seen);
	nsec_t own_ns = minus(facts.span_ns, facts.reported_ns);

	if (!is_wanted(limits, kind, facts.start_ns) || own_ns < limit_ns)
		return VERDICT_NOTHING;
	ret_judgement->kind = kind;
	return judge_held(&facts, own_ns, limit_ns, ret_judgement);
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
