/* SPDX-License-Identifier: Apache-2.0 */
/* Refusal: what asyncio refuses to do, by the exception it makes */
#pragma once

#include "emit.h"
#include "py/api.h"

extern uint32_t refusal_n;

void refusal_install(void);
void refusal_add(PyObject *coroutine);
bool refusal_took(PyObject *coroutine);
bool refusal_ended(PyObject *exception, const struct stack_buf *trace);
