/* SPDX-License-Identifier: Apache-2.0 */
/* Patch: put a pointer into memory that is not meant to be written */
#pragma once

#include <stdbool.h>

bool patch_pointer(void *where, void *value);
bool patch_import(const void *inside, const char *symbol, void *value, void **ret_before);
