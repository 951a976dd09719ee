/* SPDX-License-Identifier: Apache-2.0 */
/* Names: strings of all watched processes, and the module each file holds */
#pragma once

#include <stdint.h>

#include "frame-cache.h"
#include "pool.h"

struct names;

int names_new(struct names **ret_names);
struct names *names_free(struct names *names);
void names_freep(struct names **names);

struct pool *names_pool(struct names *names);
struct frame_cache *names_frames(struct names *names);
const char *names_module(struct names *names, int32_t pid, const char *file);
