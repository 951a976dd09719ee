/* SPDX-License-Identifier: Apache-2.0 */
/* Spans: the lengths of a finding's incidents, for percentiles that are exact up to a thousand */
#pragma once

#include <stdint.h>

#include "base/defs.h"

#define SPANS_MAX_KEPT 1024
/* Where memory is scarce. A 99th percentile of fewer would be the largest. */
#define SPANS_MIN_KEPT 128

struct spans {
	uint64_t n;
	uint64_t state; /* of the generator that chooses what is kept */
	uint32_t n_kept;
	uint32_t n_room;
	nsec_t *kept;
};

#define SPANS_INIT \
	{          \
		0  \
	}

void spans_deinit(struct spans *spans);
int spans_add(struct spans *spans, nsec_t span_ns, uint32_t n_max);
int spans_add_many(struct spans *spans, nsec_t sum_ns, uint32_t n, uint32_t n_max);
nsec_t spans_percentile(struct spans *spans, uint32_t per_cent);
