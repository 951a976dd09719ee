/* SPDX-License-Identifier: Apache-2.0 */
/* Strings in the region's arena, each once */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint32_t intern(const char *text, size_t length);
void intern_forget(void);
