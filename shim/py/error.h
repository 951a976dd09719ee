/* SPDX-License-Identifier: Apache-2.0 */
/* Error: which exceptions are cancellations, and how far one has come */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "py/api.h"

PyObject *error_cancelled_class(void);
bool error_is_cancelled(PyObject *exception);
PyObject *error_frame(PyObject *trace);
uint64_t error_outermost(PyObject *exception);
