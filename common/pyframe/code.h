/* SPDX-License-Identifier: Apache-2.0 */
/* Code object: the fields its names and lines come from */
#pragma once

#include <stdint.h>

#include "pyframe/pyframe.h"

struct code_fields {
	uint64_t filename_raddr;
	uint64_t function_raddr;
	uint64_t linetable_raddr;
	int32_t first_line;
};

int code_parse(const struct pyframe *p, const uint8_t *bytes, struct code_fields *ret_fields);
int code_read(const struct pyframe *p, const struct mem *mem, uint64_t code_raddr,
	      struct code_fields *ret_fields);
