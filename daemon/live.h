/* SPDX-License-Identifier: Apache-2.0 */
/* Live lines: a stall as it starts and as it ends, at most one line a second for each site */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model.h"

#define LIVE_MAX_SITES 128

/* What a line tells. */
struct live_event {
	enum finding_kind kind; /* of a stall that has ended; _KIND_N: nobody's fault */
	const struct frame *culprit;
	const char *call; /* NULL: work, not a call */
	nsec_t span_ns;	  /* so far, or in all */
	int32_t pid;
	bool is_gil; /* nobody's fault: another thread held the GIL */
};

struct live_site {
	const char *file, *function; /* of a pool: compared as pointers */
	nsec_t last_line_ns;	     /* CLOCK_MONOTONIC; 0: none yet */
	uint64_t n_held;
	nsec_t held_ns;
	struct live_event held; /* the last one, with its culprit kept here */
	struct frame held_culprit;
};

struct live {
	bool is_on;
	const char *base_dir; /* paths below it are shown relative; NULL: none */
	uint32_t n_sites;
	struct live_site sites[LIVE_MAX_SITES];
};

void live_start(struct live *live, nsec_t now_ns, const struct live_event *event);
bool live_stuck(struct live *live, nsec_t now_ns, const struct live_event *event);
void live_end(struct live *live, nsec_t now_ns, const struct live_event *event);
void live_tick(struct live *live, nsec_t now_ns);
void live_flush(struct live *live);
