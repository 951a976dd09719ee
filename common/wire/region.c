/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Region: is it ours, and what do its losses mean
 *
 * The sizes in the header are constants of the wire version. They stand there so that another
 * version, or another program's memory, is noticed before anything in it is believed.
 */
#include "wire/region.h"
#include "base/defs.h"

#include <errno.h>

/* Return: 0, -EBADMSG for what is no region, -EPROTO for a region of another version. */
int region_check(const struct region_header *header)
{
	if (header->magic != REGION_MAGIC)
		return -EBADMSG;
	if (header->version < WIRE_OLDEST || header->version > WIRE_VERSION)
		return -EPROTO;
	if (header->header_bytes != sizeof(*header) || header->region_bytes != REGION_BYTES ||
	    header->n_slots != REGION_N_SLOTS || header->slot_bytes != REGION_SLOT_BYTES ||
	    header->arena_bytes != REGION_ARENA_BYTES || header->ring_bytes != REGION_RING_BYTES)
		return -EBADMSG;
	return 0;
}

/* The reason as it stands under "lost" in a report; NULL for a number that is none. */
const char *loss_name(enum loss loss)
{
	static const char *const names[] = {
		[LOSS_RING_FULL] = "ring-full",
		[LOSS_ARENA_FULL] = "string-arena-full",
		[LOSS_SLOTS_FULL] = "too-many-loops",
		[LOSS_STACK_UNREADABLE] = "stack-unreadable",
		[LOSS_STACK_TORN] = "stack-torn",
		[LOSS_LOOP_UNKNOWN] = "loop-unknown",
		[LOSS_PYTHON_UNKNOWN] = "python-unknown",
		[LOSS_HOOK_REFUSED] = "hook-refused",
		[LOSS_RECORDING_FAILED] = "recording-failed",
		[LOSS_FD_CLOSED] = "descriptor-closed",
		[LOSS_WATCHDOG_MISSING] = "watchdog-missing",
		[LOSS_CALLBACKS_UNTIMED] = "callbacks-untimed",
	};

	return (unsigned int)loss < ARRAY_LEN(names) ? names[loss] : NULL;
}
