/* SPDX-License-Identifier: Apache-2.0 */
/* Ring: records from the threads of a watched process to the one that drains them */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "wire/record.h"
#include "wire/region.h"

enum ring_result {
	_RING_E_OK = 0,
	RING_E_EMPTY,	/* nothing to read now */
	RING_E_PENDING, /* a record is reserved but not committed yet */
	RING_E_CORRUPT, /* what stands there can be no record: the ring is of no more use */
};

struct record *ring_reserve(const struct region *region, uint32_t size_bytes);
void ring_commit(struct record *record, uint32_t size_bytes);
int ring_take(const struct region *region, void *buf, size_t buf_bytes, uint32_t *ret_bytes);
