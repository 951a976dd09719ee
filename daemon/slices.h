/* SPDX-License-Identifier: Apache-2.0 */
/* Slices: what held loops, one by one, for a time line; the last so many */
#pragma once

#include "model.h"
#include "watch.h"

/* Three MiB each: an hour of nine stalls a second. */
#define SLICES_MAX 32768

/* The last so many. */
struct slice_ring {
	struct slice *kept;
	uint32_t n_room;
	uint64_t n_added;
};

struct slices {
	struct slice_ring stalls;
	struct slice_ring pauses; /* by themselves: a busy neighbour makes 200 a second */
};

void slices_deinit(struct slices *slices);
void slices_add(struct slices *slices, const struct watch *watch, const struct record *record);
int slices_copy(const struct slices *slices, struct report *report);
