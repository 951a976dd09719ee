/* SPDX-License-Identifier: Apache-2.0 */
/* Config: options of run in the nearest loophound.toml, as words of a command line */
#pragma once

#include <argp.h>

struct config {
	char path[4096];     /* of the file; empty: there is none */
	char **words;	     /* "--KEY=VALUE" */
	unsigned int *lines; /* in which each stands */
	int n_words;
};

void config_load(struct config *config, const struct argp *const tables[]);
void config_apply(const struct config *config, const struct argp *argp, void *input);
void config_deinit(struct config *config);
