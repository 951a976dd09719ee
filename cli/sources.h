/* SPDX-License-Identifier: Apache-2.0 */
/* Sources: recordings and JSON reports, read into one report */
#pragma once

#include "daemon.h"
#include "shared.h"

struct sources {
	struct daemon *daemon; /* its pool has the report's strings */
	struct report report;
};

bool sources_are_recordings(char **paths, int n_paths);
int sources_read(struct sources *sources, const struct shared *shared, char **paths, int n_paths);
void sources_deinit(struct sources *sources);
