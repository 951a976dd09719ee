/* SPDX-License-Identifier: Apache-2.0 */
/* Coroutine: made, and dropped without having run */
#pragma once

#include "py/api.h"

void coroutine_install(PyObject *warnings_module);
