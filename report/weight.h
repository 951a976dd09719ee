/* SPDX-License-Identifier: Apache-2.0 */
/* Blocked time by stack: folded lines for flame graphs, and the file of speedscope */
#pragma once

#include <stdio.h>

#include "model.h"

void folded_write(FILE *out, const struct report *report);
int speedscope_write(FILE *out, const struct report *report);
