/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever a process may leave in its region: header, slots, strings and ring, drained and reported
 *
 * The input is laid over the places that are read: the header behind its constants, the first
 * slots, the start of the arena and of the ring.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "fuzz.h"
#include "read-back.h"
#include "snapshot.h"

#define FUZZ_HEADER offsetof(struct region_header, via)

static void lay_out(struct region *region, const uint8_t *bytes, size_t n)
{
	const struct region_header good = {
		.magic = REGION_MAGIC,
		.version = WIRE_VERSION,
		.header_bytes = sizeof(good),
		.region_bytes = REGION_BYTES,
		.n_slots = REGION_N_SLOTS,
		.slot_bytes = REGION_SLOT_BYTES,
		.arena_bytes = REGION_ARENA_BYTES,
		.ring_bytes = REGION_RING_BYTES,
	};
	size_t quarter = n / 4;

	memcpy((char *)region->header + FUZZ_HEADER, bytes,
	       MIN(quarter, sizeof(good) - FUZZ_HEADER));
	memcpy(region->header, &good, FUZZ_HEADER);
	memcpy(region->arena, bytes + quarter, MIN(quarter, (size_t)REGION_ARENA_BYTES));
	memcpy(region->slots, bytes + 2 * quarter, MIN(quarter, (size_t)REGION_SLOT_BYTES));
	memcpy(region->ring, bytes + 3 * quarter, MIN(quarter, sizeof(*region->ring)));
	memcpy(region->ring_data, bytes + 3 * quarter, MIN(quarter, (size_t)RING_DATA_BYTES));
	/* Mostly a head that makes sense, or nothing behind it would ever be reached. */
	if (n && bytes[0] & 1) {
		region->ring->tail = 0;
		region->ring->head = quarter & ~(uint64_t)7;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct daemon_config config = {.options = {.kinds = KIND_MASK_ALL}};
	void *base = calloc(1, REGION_BYTES);
	struct report report = REPORT_INIT;
	struct region region = region_at(base);
	struct own_code own = {0};
	struct daemon *daemon;
	struct watch *watch;

	lay_out(&region, bytes, n);
	if (daemon_new(&config, &daemon))
		abort();
	if (!watch_new_take_heap(daemon->names, base, &watch)) {
		watch_identify(watch, 0, &own);
		daemon_link_watch(daemon, watch);
		daemon_drain(daemon);
		if (!snapshot_take(daemon, &report))
			json_read_back(&report);
		report_deinit(&report);
		daemon_end_watch(daemon, watch, true);
	}
	daemon_free(daemon);
	return 0;
}
