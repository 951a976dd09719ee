/* SPDX-License-Identifier: Apache-2.0 */
/* Maps: what a process has mapped where */
#pragma once

#include <stdint.h>

struct map {
	uint64_t begin, end;
	uint64_t offset;  /* in the file */
	const char *path; /* "" for none, "[stack]" and its like for what is no file */
};

/* In the order of their addresses. */
struct maps {
	uint32_t n_maps;
	struct map *maps;
	char *text; /* what the paths are in */
};

int maps_load(int32_t pid, struct maps *ret_maps);
void maps_deinit(struct maps *maps);
const struct map *maps_find(const struct maps *maps, uint64_t address);
const struct map *maps_module(const struct maps *maps, const struct map *map);
