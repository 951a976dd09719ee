/* SPDX-License-Identifier: Apache-2.0 */
/* LOOPHOUND_OPTIONS: the limits and switches a watched process is given */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"

struct options {
	nsec_t slow_callback_ns;
	nsec_t long_turn_ns;
	nsec_t blocking_call_ns;
	nsec_t stuck_ns;
	nsec_t warmup_ns;
	nsec_t cancel_grace_ns;
	uint32_t task_flood; /* tasks made at one line in a turn */
	bool is_strict;	     /* also calls that could have waited */
	bool is_native;	     /* native frames too */
};

#define OPTIONS_DEFAULT                                                                       \
	{                                                                                     \
		.slow_callback_ns = 100 * NSEC_PER_MSEC, .long_turn_ns = 100 * NSEC_PER_MSEC, \
		.blocking_call_ns = 20 * NSEC_PER_MSEC, .stuck_ns = 1 * NSEC_PER_SEC,         \
		.warmup_ns = 0, .cancel_grace_ns = 10 * NSEC_PER_SEC, .task_flood = 5000,     \
		.is_strict = false, .is_native = false                                        \
	}

int count_parse(const char *text, size_t length, uint32_t *ret_count);
int duration_parse(const char *text, size_t length, nsec_t *ret_duration_ns);
size_t options_parse(const char *text, struct options *options, char *complaint,
		     size_t complaint_bytes);
