/* SPDX-License-Identifier: Apache-2.0 */
/* Callee: the code a callback runs, by name */
#pragma once

#include <stdbool.h>

#include "loop.h"
#include "py/api.h"

bool callee_of(PyObject *callable, struct callee *ret_callee);
bool callee_of_code(PyObject *code, struct callee *ret_callee);
bool callee_is_coroutine(PyObject *object);
bool callee_of_coroutine(PyObject *coroutine, struct callee *ret_callee);
