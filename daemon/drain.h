/* SPDX-License-Identifier: Apache-2.0 */
/* Drain: what a watch has recorded since, judged and counted */
#pragma once

#include "aggregate.h"
#include "live.h"
#include "slices.h"
#include "watch.h"

/* Where what is drained goes. */
struct drain {
	struct aggregate *aggregate;
	struct live *live;
	struct tracer **tracer;	 /* made when it is needed; NULL: there is none to be */
	struct waits *waits;	 /* NULL: the kernel tells nothing */
	struct symbols *symbols; /* NULL: native frames were not asked for */
	uint32_t kinds;		 /* KIND_MASK of each that is judged */
	struct slices *slices;	 /* NULL: nobody wants a time line */
	nsec_t now_ns;		 /* CLOCK_MONOTONIC */
};

void drain_watch(struct drain *drain, struct watch *watch);
void drain_record(struct drain *drain, struct watch *watch, const struct record *record,
		  uint32_t size_bytes);
void drain_last(struct drain *drain, struct watch *watch, bool is_killed, nsec_t ended_ns);
