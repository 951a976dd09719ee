/* SPDX-License-Identifier: Apache-2.0 */
/* Tell: exceptions, tasks and coroutines in words, without running code of theirs */
#pragma once

#include "emit.h"
#include "pyframe/task.h"
#include "py/api.h"

/* What is shown of a text. */
#define TELL_MAX_TEXT 200

void tell_unref(PyObject *object);
size_t tell_copy(PyObject *text, char *buf, size_t buf_bytes);
uint32_t tell_text(PyObject *text);
uint32_t tell_path(PyObject *text);
bool tell_is(PyObject *text, const char *expected);
uint32_t tell_class(PyObject *class);
void tell_exception(PyObject *exception, struct pitfall_facts *facts);
void tell_task(PyObject *task, struct pitfall_facts *facts);
void tell_traceback(PyObject *exception, struct stack_buf *ret_stack);
void tell_chain(const struct task_chain *chain, struct pyframe_stack *ret_found,
		struct stack_buf *ret_stack);
bool tell_awaits(PyObject *coroutine, struct stack_buf *ret_stack);
