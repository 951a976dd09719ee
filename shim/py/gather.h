/* SPDX-License-Identifier: Apache-2.0 */
/* Gather: failures that asyncio.gather() keeps to itself */
#pragma once

#include "py/api.h"

void gather_hears(PyObject *callback, PyObject *child);
void gather_asked(PyObject *child, PyObject *exception);
