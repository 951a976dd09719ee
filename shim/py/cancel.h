/* SPDX-License-Identifier: Apache-2.0 */
/* Cancel: cancellations that a task was given and did not let through */
#pragma once

#include "loop.h"
#include "py/api.h"

/* How many cancellations have been accepted and not come to an end. */
extern uint32_t cancel_n_pending;

void cancel_install(PyObject *asyncio_module);
void cancel_accepted(PyObject *task, PyObject *outer);
void cancel_thrown(PyObject *task, PyObject *error);
void cancel_task_ends(PyObject *task);
void cancel_edge(struct loop *loop);
void cancel_loop_stops(void);
void cancel_forget(void);
