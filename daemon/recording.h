/* SPDX-License-Identifier: Apache-2.0 */
/* Recording: a .lhr file read back as the process that wrote it */
#pragma once

#include <stddef.h>

struct daemon;

enum recording_result {
	_RECORDING_E_OK = 0,
	RECORDING_E_TRUNCATED, /* cut short: what is there was read */
	RECORDING_E_CORRUPT,   /* a part makes no sense: what stands before it was read */
	RECORDING_E_VERSION,
	RECORDING_E_TWICE, /* the process was read already */
	RECORDING_E_MAGIC, /* no recording at all */
};

int recording_read(struct daemon *daemon, const unsigned char *bytes, size_t n_bytes);
int recording_read_file(struct daemon *daemon, const char *path);
