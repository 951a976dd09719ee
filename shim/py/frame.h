/* SPDX-License-Identifier: Apache-2.0 */
/* The frame that runs now, as the interpreter itself knows it */
#pragma once

#include <stdint.h>

#include "py/api.h"

uint64_t frame_tstate(void);
uint64_t frame_code(PyObject *frame);
