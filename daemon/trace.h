/* SPDX-License-Identifier: Apache-2.0 */
/* Trace: native frames of what computes too long, seen from outside while it lasts */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model.h"
#include "pyframe/pyframe.h"
#include "stall.h"
#include "wire/region.h"

struct drain;
struct tracer;
struct watch;

/* Stills of stalls that have not ended; the oldest goes. */
#define TRACE_MAX_STACKS 32

struct trace_stack {
	uint32_t slot;
	uint64_t ticks;
	struct stack *stack;
};

/* How many samples of a callback there were. */
struct trace_stall {
	uint64_t turn_seq;
	uint64_t callback_seq;
	uint32_t n_samples;
};

struct trace_table {
	struct tracer *tracer; /* NULL: never asked */
	bool is_off;	       /* refused, or its Python frames cannot be read */
	bool has_pyframe;
	struct pyframe pyframe;
	struct trace_stall stalls[REGION_N_SLOTS];
	uint32_t n_stacks;
	struct trace_stack stacks[TRACE_MAX_STACKS];
};

void trace_deinit(struct trace_table *table);
void trace_keep(struct trace_table *table, uint32_t slot, uint64_t ticks, struct stack *stack);
void trace_sample(struct drain *drain, struct watch *watch, const struct record_sample *sample);
void trace_collect(struct drain *drain, struct watch *watch, nsec_t wait_ns);
struct stack *trace_stuck(const struct trace_table *table, uint32_t slot, uint64_t from,
			  const struct stack *python);
void trace_apply(struct drain *drain, struct watch *watch, const struct stall_query *query,
		 const struct record_sample *const *samples, struct stack **stacks, uint32_t n);
