/* SPDX-License-Identifier: Apache-2.0 */
/* Handler: what an except clause does with an exception, by its byte code */
#pragma once

#include <stdbool.h>

#include "py/api.h"

bool handler_drops(PyObject *code, long offset, PyObject *exception, long *ret_clause_offset);
bool handler_is_known(unsigned int minor);
