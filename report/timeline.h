/* SPDX-License-Identifier: Apache-2.0 */
/* Time line: turns, callbacks, calls and pitfalls as trace events, for Perfetto */
#pragma once

#include <stdio.h>

#include "model.h"

void timeline_write(FILE *out, const struct report *report);
