/* SPDX-License-Identifier: Apache-2.0 */
/* Resource: connections and loops that are dropped open, or outlive their loop */
#pragma once

#include "py/api.h"

void resource_install(PyObject *warnings_module);
