/* SPDX-License-Identifier: Apache-2.0 */
/* Curve: how long a thread had waited up to any moment, and for what */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "waits-api.bpf.h"

struct curve_point {
	nsec_t at;
	nsec_t ns[WAITS_N]; /* sums up to then */
};

struct curve {
	nsec_t born;
	struct curve_point *points; /* by time */
	uint32_t n_points, n_room;
};

void curve_deinit(struct curve *curve);
int curve_add(struct curve *curve, const struct waits_event *event);
bool curve_span(const struct curve *curve, nsec_t from, nsec_t to, nsec_t ret_ns[WAITS_N]);
