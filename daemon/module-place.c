/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Module places: which module was at which path of which process
 *
 * What is mounted for a process alone goes with it, before its last calls are looked at. Then it is
 * asked what has been there before. A place that another one needs is forgotten; paths are told
 * apart by a hash, for who makes two of his own meet deceives but himself.
 */
#include "module-place.h"

/* FNV-1a of 64 bits. */
static uint64_t path_hash(const char *path)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *path; path++)
		hash = (hash ^ (unsigned char)*path) * UINT64_C(0x100000001b3);
	return hash;
}

static uint64_t place_index(uint64_t view_id, uint64_t hash)
{
	return (hash ^ view_id * UINT64_C(0x9e3779b97f4a7c15)) % MODULE_PLACES_N;
}

/* view_id 0: a process that is not remembered. */
void module_place_put(struct module_places *places, uint64_t view_id, const char *path,
		      uint64_t module_id)
{
	uint64_t hash = path_hash(path);

	if (view_id)
		places->places[place_index(view_id, hash)] =
			(struct module_place){view_id, hash, module_id};
}

/* Return: the id of the module, 0 when it is not known. */
uint64_t module_place_get(const struct module_places *places, uint64_t view_id, const char *path)
{
	uint64_t hash = path_hash(path);
	const struct module_place *place = &places->places[place_index(view_id, hash)];

	return view_id && place->view_id == view_id && place->path_hash == hash ? place->module_id
										: 0;
}
