/* SPDX-License-Identifier: Apache-2.0 */
/* Result: asked of a task or future that is not done */
#pragma once

#include "py/api.h"

void result_asked_too_early(PyObject *future);
void result_install(PyObject *asyncio_module);
