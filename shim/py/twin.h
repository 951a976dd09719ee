/* SPDX-License-Identifier: Apache-2.0 */
/* Twin: asyncio's tasks and futures in pure Python, and the words by which it runs a loop */
#pragma once

#include "base/defs.h"
#include "py/api.h"

bool twin_is_future(PyObject *object);
bool twin_is_task(PyObject *object);
bool twin_is_pending(PyObject *future);
bool twin_sees(PyObject *class);
bool twin_awaits(uint64_t code_raddr);
bool twin_steps(PyObject *callable);
PyObject *twin_current_task(void);
PyObject *twin_callback_begins(PyObject *const *args, ssize_t n_args);
void twin_callback_ends(PyObject *stepped_before);
bool twin_install(PyObject *tasks, bool is_alone);
