/* SPDX-License-Identifier: Apache-2.0 */
/* Sample: where is a loop that has not come back? */
#pragma once

#include <stdbool.h>
#include <stdint.h>

bool sample_loops(uint64_t now, uint64_t *ret_next);
bool sample_any_open(void);
void sample_forget(void);
