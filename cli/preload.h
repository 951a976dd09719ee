/* SPDX-License-Identifier: Apache-2.0 */
/* Preload: where the shim is, and whether a program will load it */
#pragma once

#include <stdbool.h>
#include <stddef.h>

int preload_find(char *buf, size_t buf_bytes);
int preload_value(const char *shim, char *buf, size_t buf_bytes);
bool preload_is_python(const char *program);
