/* SPDX-License-Identifier: Apache-2.0 */
/* Place: whose code a file is, and the dotted module it holds, by its path alone */
#pragma once

#include <stddef.h>

enum place {
	PLACE_OWN,     /* the user's */
	PLACE_LIBRARY, /* installed: site-packages, dist-packages */
	PLACE_STDLIB,  /* comes with Python */
};

enum place place_of(const char *file);
const char *place_inside(const char *file);
void place_module(const char *inside, char *buf, size_t buf_bytes);
