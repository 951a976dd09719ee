/* SPDX-License-Identifier: Apache-2.0 */
/* Sample: where is a loop that has not come back? */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * 40 looks a second while a loop is busy. A stall is seen at its limit all the same, since limits
 * are above two ticks.
 */
#define SAMPLE_TICK_NS (25 * NSEC_PER_MSEC)

void sample_begin(bool may_open_files);
void sample_end(void);
bool sample_loops(uint64_t now, uint64_t *ret_next);
bool sample_any_open(void);
void sample_forget(void);
