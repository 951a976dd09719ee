/* SPDX-License-Identifier: Apache-2.0 */
/* Judge: is what was seen a finding, and of which kind and size */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model.h"

struct limits {
	nsec_t slow_callback_ns, long_turn_ns, blocking_call_ns, stuck_ns;
	nsec_t judged_from_ns; /* CLOCK_MONOTONIC: what began earlier is warm-up */
	uint32_t kinds;	       /* KIND_MASK of each that is wanted */
};

/* How a thread was scheduled meanwhile, where the kernel tells: exclusive parts, exact. */
struct schedule {
	bool is_known;
	nsec_t on_cpu_ns, run_queue_ns, blocked_ns, gil_wait_ns, page_fault_ns;
	nsec_t uninterruptible_ns;
	nsec_t frozen_ns; /* it was stopped, or throttled */
};

/* A callback or a turn that has ended. Measures are -1 where there is none. */
struct stall_facts {
	nsec_t start_ns, span_ns;
	nsec_t reported_ns; /* of it, in calls reported by themselves */
	int64_t cpu_ns, run_queue_ns, frozen_ns, gil_wait_ns;
	struct schedule schedule; /* known, it stands for the line before */
	int64_t gc_ns;
};

struct call_facts {
	nsec_t start_ns, span_ns;
	bool is_summed; /* many short calls of one callback */
	bool is_strict; /* shorter than the limit: reported since it can block */
	struct schedule schedule;
};

struct judgement {
	enum finding_kind kind;
	nsec_t span_ns; /* what counts as blocked */
	struct cause cause;
};

enum verdict {
	VERDICT_NOTHING,
	VERDICT_FINDING,
	VERDICT_DESCHEDULED, /* past the limit only because the kernel did not let it run */
	VERDICT_GIL,	     /* past the limit only because another thread held the GIL */
};

enum verdict judge_call(const struct limits *limits, const struct call_facts *facts,
			struct judgement *ret_judgement);
enum verdict judge_callback(const struct limits *limits, const struct stall_facts *facts,
			    struct judgement *ret_judgement);
enum verdict judge_turn(const struct limits *limits, const struct stall_facts *facts,
			uint32_t n_slow, struct judgement *ret_judgement);
enum verdict judge_open(const struct limits *limits, nsec_t start_ns, nsec_t age_ns,
			struct judgement *ret_judgement);
enum verdict judge_pitfall(const struct limits *limits, enum finding_kind kind, nsec_t at_ns,
			   nsec_t span_ns, struct judgement *ret_judgement);
