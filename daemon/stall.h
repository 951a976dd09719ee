/* SPDX-License-Identifier: Apache-2.0 */
/* Stalls of one process: samples that wait for the end of what they saw, and what is open now */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/defs.h"
#include "wire/record.h"
#include "wire/region.h"

/*
 * A stall has 50 samples in its first second and then one each time its age doubles. Twice that
 * is kept, so that two loops can stall at once.
 */
#define STALL_MAX_SAMPLES 128

/* What is open on one slot, as its last sample past the limit told. */
struct stall {
	bool is_open;
	bool is_stuck; /* has been told to be stuck */
	uint64_t turn_seq;
	uint64_t callback_seq;
	uint32_t what;
	uint64_t start; /* ticks, of what */
};

struct stall_table {
	struct record_sample *samples[STALL_MAX_SAMPLES]; /* oldest first, each with its frames */
	uint32_t n_samples;
	uint64_t n_dropped;
	struct stall stalls[REGION_N_SLOTS];
	struct record_task *tasks[REGION_N_SLOTS]; /* the last one told of, with its frames */
};

/* Which samples: those of a slot's turn, of one callback or of all, taken between two ticks. */
struct stall_query {
	uint32_t slot;
	uint64_t turn_seq;
	bool is_one_callback;
	uint64_t callback_seq;
	uint64_t from, to;
};

void stall_deinit(struct stall_table *table);
int stall_add(struct stall_table *table, const struct record_sample *sample);
uint32_t stall_find(const struct stall_table *table, const struct stall_query *query,
		    const struct record_sample *ret_samples[STALL_MAX_SAMPLES]);
const struct record_sample *stall_last(const struct stall_table *table, uint32_t slot,
				       uint64_t turn_seq);
int stall_add_task(struct stall_table *table, const struct record_task *task);
const struct record_task *stall_task(const struct stall_table *table, uint32_t slot,
				     uint64_t turn_seq, uint64_t callback_seq);
void stall_forget_call(struct stall_table *table, const struct record_call *call);
void stall_forget_before(struct stall_table *table, uint32_t slot, uint64_t turn_seq);
