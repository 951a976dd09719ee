/* SPDX-License-Identifier: Apache-2.0 */
/* Strings in the region's arena, each once */
#pragma once

#include <stddef.h>
#include <stdint.h>

const char *intern_text(uint32_t offset, size_t *ret_length);
uint32_t intern(const char *text, size_t length);
uint32_t intern_detail(const char *text, size_t length);
void intern_forget(void);
