/* SPDX-License-Identifier: Apache-2.0 */
/* Exempt: calls that wait and are not the calling code's own choice, by the frames above them */
#pragma once

#include "emit.h"

bool exempt_is_import(const struct stack_buf *stack);
bool exempt_is_strict(const struct stack_buf *stack);
