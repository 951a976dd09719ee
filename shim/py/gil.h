/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the calling thread holds the GIL */
#pragma once

#include <stdint.h>

uint16_t gil_record_flags(void);
