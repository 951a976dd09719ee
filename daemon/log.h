/* SPDX-License-Identifier: Apache-2.0 */
/* Log: one line on stderr for what is worth one, never more than a few a second */
#pragma once

#include "base/defs.h"

void log_init(const char *program);
void log_line(const char *format, ...) _printf_(1, 2);
