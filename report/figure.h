/* SPDX-License-Identifier: Apache-2.0 */
/* Figures: a histogram of spans as count, percentiles and buckets in nanoseconds */
#pragma once

#include <stdint.h>

#include "base/clock.h"
#include "wire/hist.h"

struct figure_bucket {
	nsec_t upper_ns;
	uint64_t n;
};

struct figure {
	uint64_t count;
	nsec_t p50_ns, p90_ns, p99_ns, p999_ns, max_ns;
	uint32_t n_buckets;
	struct figure_bucket *buckets; /* those that are not empty, ascending */
};

int figure_init(struct figure *figure, const struct hist *hist, const struct clock_scale *scale);
void figure_deinit(struct figure *figure);
int figure_copy(struct figure *ret_figure, const struct figure *figure);
nsec_t figure_percentile(const struct figure *figure, uint32_t per_mille);
