/* SPDX-License-Identifier: Apache-2.0 */
/* Nearest: the name that somebody meant who typed another */
#pragma once

#include <stdbool.h>
#include <stddef.h>

unsigned int nearest_distance(const char *a, size_t a_length, const char *b);
unsigned int nearest_limit(size_t length);
bool nearest_is_meant(const char *text, size_t length, const char *name);
