/* SPDX-License-Identifier: Apache-2.0 */
/* The frame that runs now, as the interpreter itself knows it */
#pragma once

#include <stdint.h>

uint64_t frame_tstate(void);
