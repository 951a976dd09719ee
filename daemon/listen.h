/* SPDX-License-Identifier: Apache-2.0 */
/* Listen: the socket on which processes and commands meet the daemon */
#pragma once

#include <sys/types.h>

struct daemon;

enum listen_result {
	_LISTEN_E_OK = 0,
	LISTEN_E_TAKEN, /* another daemon answers there */
	LISTEN_E_LONG,	/* the path does not fit a socket address */
};

int listen_open(struct daemon *daemon, const char *path, mode_t mode);
void listen_close(struct daemon *daemon);
