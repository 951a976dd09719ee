/* SPDX-License-Identifier: Apache-2.0 */
/* Dropped: what a task or future had not told when nobody held it any more */
#pragma once

#include "py/api.h"

bool dropped_sees(PyObject *class);
bool dropped_will_see(PyObject *task);
void dropped_install(PyObject *asyncio_module);
