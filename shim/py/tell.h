/* SPDX-License-Identifier: Apache-2.0 */
/* Tell: exceptions, tasks and coroutines in words, without running code of theirs */
#pragma once

#include "emit.h"
#include "py/api.h"

uint32_t tell_text(PyObject *text);
uint32_t tell_path(PyObject *text);
uint32_t tell_class(PyObject *class);
void tell_exception(PyObject *exception, struct pitfall_facts *facts);
void tell_task(PyObject *task, struct pitfall_facts *facts);
void tell_traceback(PyObject *exception, struct stack_buf *ret_stack);
bool tell_awaits(PyObject *coroutine, struct stack_buf *ret_stack);
