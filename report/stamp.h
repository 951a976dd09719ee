/* SPDX-License-Identifier: Apache-2.0 */
/* Stamps: points and lengths of time as people and JSON write them */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"

#define STAMP_BYTES 40

const char *stamp_utc(uint64_t realtime_ns, char buf[STAMP_BYTES]);
const char *stamp_clock(uint64_t realtime_ns, char buf[STAMP_BYTES]);
int stamp_parse(const char *text, uint64_t *ret_realtime_ns);
const char *stamp_span(nsec_t span_ns, char buf[STAMP_BYTES]);
uint64_t stamp_now(void);
