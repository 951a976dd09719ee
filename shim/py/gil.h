/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the calling thread holds the GIL */
#pragma once

#include <stdbool.h>
#include <stdint.h>

uint16_t gil_record_flags(void);
bool gil_is_ending(void);
bool gil_owns_tstate(uint64_t tstate_raddr);
bool gil_is_ending(void);
