/* SPDX-License-Identifier: Apache-2.0 */
/* Own code: which installed packages are the application itself */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define OWN_CODE_MAX_PATTERNS 32
#define OWN_CODE_MAX_PATTERN  128

struct own_code {
	unsigned int n_patterns;
	char patterns[OWN_CODE_MAX_PATTERNS][OWN_CODE_MAX_PATTERN];
	bool is_string_foreign; /* what -c was given is multiprocessing's, not the user's */
};

void own_code_add_globs(struct own_code *own, const char *globs);
void own_code_add_cmdline(struct own_code *own, const char *cmdline, size_t length);
void own_code_add_all(struct own_code *own, const struct own_code *more);
bool own_code_has(const struct own_code *own, const char *file);
bool own_code_is_own(const struct own_code *own, const char *file);
