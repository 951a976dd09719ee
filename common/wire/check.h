/* SPDX-License-Identifier: Apache-2.0 */
/* The door for records and strings: nothing behind it is looked at twice */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "wire/record.h"
#include "wire/region.h"

int record_check(const struct record *record, uint32_t size_bytes);
int64_t record_gc_ns(const struct record *record);
const struct record_frame *record_origin(const struct record_pitfall *pitfall);
const struct record_frame *record_frames(const struct record *record, uint32_t *ret_n_frames);
size_t arena_string(const struct arena *arena, uint32_t arena_bytes, uint32_t offset, char *buf,
		    size_t buf_bytes);
