/* SPDX-License-Identifier: Apache-2.0 */
/* Refusal: what asyncio refuses to do, by the exception it makes */
#pragma once

#include "emit.h"
#include "py/api.h"

extern uint32_t refusal_n, refusal_n_tasks;
extern __thread PyObject *refusal_newest_task __attribute__((tls_model("initial-exec")));

void refusal_install(void);
void refusal_add(PyObject *coroutine);
bool refusal_took(PyObject *coroutine);
bool refusal_took_task(PyObject *task);
bool refusal_ended(PyObject *exception, const struct stack_buf *trace);
