/* SPDX-License-Identifier: Apache-2.0 */
/* Unused: an awaited result that nothing reads, by the byte code that takes it */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "py/api.h"

bool unused_result(PyObject *code, uint64_t lasti, unsigned int minor);
