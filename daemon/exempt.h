/* SPDX-License-Identifier: Apache-2.0 */
/* Exempt: calls that wait and are nobody's mistake */
#pragma once

#include <stdbool.h>

#include "model.h"

bool exempt_call(const struct stack *stack);
