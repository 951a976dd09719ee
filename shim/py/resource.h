/* SPDX-License-Identifier: Apache-2.0 */
/* Resource: connections and loops that are dropped open, or outlive their loop */
#pragma once

#include "py/api.h"

bool resource_is_collecting(PyObject *object);
void resource_install(PyObject *warnings_module);
