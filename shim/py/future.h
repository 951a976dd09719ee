/* SPDX-License-Identifier: Apache-2.0 */
/* Future: what asyncio's C futures and tasks say of themselves */
#pragma once

#include "py/method.h"

/* One of the two classes of _asyncio; all NULL before future_init(). */
struct future_class {
	PyObject *class;
	struct getter log_traceback; /* it failed and nobody has asked */
	struct getter log_pending;   /* a task: that it is dropped unfinished is to be logged */
	struct getter state;
};

extern struct future_class future_class, task_class;

bool future_init(PyObject *asyncio_module);
bool future_task_is_pending(PyObject *task);
bool future_is_pending(const struct future_class *class, PyObject *future);
