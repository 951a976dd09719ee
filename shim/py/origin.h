/* SPDX-License-Identifier: Apache-2.0 */
/* Origin: the line that made a coroutine which was dropped, or that of a task */
#pragma once

#include "emit.h"
#include "py/api.h"

void origin_install(void);
void origin_loop_starts(void);
void origin_loop_stops(void);
void origin_edge(void);
void origin_missed(uint32_t name_str);
PyObject *origin_hide(PyObject *coroutine);
void origin_show(PyObject *coroutine, PyObject *origin);
bool origin_stack(PyObject *coroutine, struct stack_buf *ret_stack);
const struct stack_buf *origin_of_task(PyObject *task, uint32_t coro_str, struct stack_buf *buf);
