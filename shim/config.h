/* SPDX-License-Identifier: Apache-2.0 */
/* Config: what the environment told us, read once at the start */
#pragma once

/* Empty when not given. */
struct config {
	char socket[128];
	char dir[512];
	char options[1024];
};

extern struct config config;

void config_read(void);
