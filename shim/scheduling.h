/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduling: whether a thread was let run, and whether the whole process stood still */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "loop.h"

/* How a thread fared between two points; -1 = not measured. Exact to one tick of the watchdog. */
struct scheduling {
	int64_t cpu_ns;
	int64_t run_queue_ns; /* it could have run and was not let */
	int64_t frozen_ns;    /* the whole process was stopped or throttled */
};

/* The watchdog. */
void scheduling_begin(bool may_open_files);
void scheduling_see(const struct loop *loop, uint64_t turn_seq, uint64_t callback_seq);
void scheduling_plan(uint64_t next);
void scheduling_note(uint64_t now);

/* The loop's thread. */
struct scheduling scheduling_between(const struct loop *loop, uint64_t start, uint64_t end);

void scheduling_forget(void);
