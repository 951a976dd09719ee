/* SPDX-License-Identifier: Apache-2.0 */
/* Module places: which module was at which path of which process */
#pragma once

#include <stdint.h>

/* A service has a hundred modules. A power of two. */
#define MODULE_PLACES_N 1024

struct module_place {
	uint64_t view_id; /* 0: none */
	uint64_t path_hash;
	uint64_t module_id;
};

struct module_places {
	struct module_place places[MODULE_PLACES_N];
};

void module_place_put(struct module_places *places, uint64_t view_id, const char *path,
		      uint64_t module_id);
uint64_t module_place_get(const struct module_places *places, uint64_t view_id, const char *path);
