/* SPDX-License-Identifier: Apache-2.0 */
/* Task: where asyncio keeps the task that a loop runs */
#pragma once

#include "loop.h"
#include "py/api.h"

void task_watch_loop(struct loop *loop, PyObject *module, PyObject *object, const void *inside);
