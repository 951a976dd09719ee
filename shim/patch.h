/* SPDX-License-Identifier: Apache-2.0 */
/* Patch: put a pointer into memory that is not meant to be written */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool patch_pointer(void *where, void *value);
bool patch_find_object(const void *inside, uintptr_t *ret_start, size_t *ret_size_bytes);
const void *patch_find_import(const void *inside, const char *symbol);
bool patch_import(const void *inside, const char *symbol, void *value, void **ret_before);
