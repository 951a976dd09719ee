/* SPDX-License-Identifier: Apache-2.0 */
/* Exempt: calls that wait and are nobody's mistake */
#pragma once

#include <stdbool.h>

#include "model.h"

bool exempt_call(const char *call, const struct stack *stack);
bool exempt_cancellation(const struct stack *chain, const struct stack *origin,
			 uint32_t python_hex);
