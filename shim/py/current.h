/* SPDX-License-Identifier: Apache-2.0 */
/* Current: the task that runs now on this thread */
#pragma once

#include <stdbool.h>

#include "py/api.h"

PyObject *current_task(PyObject *asyncio, bool *ret_has_loop);
