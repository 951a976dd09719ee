/* SPDX-License-Identifier: Apache-2.0 */
/* Unhandled: an exception that ends a task or the program though its kind asks to be caught */
#pragma once

#include "emit.h"
#include "py/api.h"

enum pitfall unhandled_pitfall(PyObject *exception, const struct stack_buf *trace,
			       enum pitfall otherwise);
void unhandled_install(void);
void unhandled_ready(void);
