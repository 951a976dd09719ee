/* SPDX-License-Identifier: Apache-2.0 */
/* Arena, the writer's side: strings are appended once and never move */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "wire/region.h"

#define ARENA_MAX_STRING 4096

uint32_t arena_append(const struct region *region, const char *text, size_t length);
uint32_t arena_finished(const struct region *region, uint32_t from);
