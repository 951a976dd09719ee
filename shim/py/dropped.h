/* SPDX-License-Identifier: Apache-2.0 */
/* Dropped: what a task or future had not told when nobody held it any more */
#pragma once

#include "py/api.h"

void dropped_aside(void (*what)(PyObject *), PyObject *object);
void dropped_failed(PyObject *future);
void dropped_unfinished(PyObject *task);
bool dropped_sees(PyObject *class);
bool dropped_will_see(PyObject *task);
void dropped_forget(void);
void dropped_install(PyObject *asyncio_module);
void dropped_install_coroutines(void);
