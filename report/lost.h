/* SPDX-License-Identifier: Apache-2.0 */
/* What was not recorded, by reason: the shim's reasons, then the reader's own */
#pragma once

#include <stdint.h>

#include "wire/region.h"

enum lost {
	/* below LOSS_N: enum loss */
	LOST_RING_CORRUPT = LOSS_N, /* the event ring made no sense: not read any further */
	LOST_RECORD_CORRUPT,
	LOST_RING_CUT,	/* the process died while it wrote; what stands behind is not reached */
	LOST_SAMPLES,	/* more stack samples wait for the end of their stalls than are kept */
	LOST_FINDINGS,	/* seen at more sites than are kept */
	LOST_NAMES,	/* no room for another name */
	LOST_PROCESSES, /* ended processes no longer listed */
	LOST_WATCHES,	/* processes refused, since there were too many or they made no sense */
	LOST_VERSIONS,	/* processes refused, since their shim speaks another version */
	LOST_RECORDING_TRUNCATED,
	LOST_RECORDING_CORRUPT,
	LOST_STACK_UNMERGED, /* native frames that do not fit the Python frames of the same moment
			      */
	LOST_NATIVE_OFF,     /* native frames that nobody asked for, or of a recording */
	LOST_TRACE_REFUSED, /* processes whose threads we may not stop to see their native frames */
	LOST_NATIVE_MISSED, /* calls that were over before their native frames were looked at */
	LOST_WAITS,	    /* steps of threads' waits: causes are less exact there */
	_LOST_N,
};

struct losses {
	uint64_t n[_LOST_N];
};

const char *lost_name(enum lost lost);
const char *lost_text(enum lost lost);
void losses_add(struct losses *losses, const struct losses *more);
uint64_t losses_sum(const struct losses *losses);
