/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: moved out of the program's way, and recognised again before they are used */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A descriptor and the file it was made for, since its number may since mean another file. */
struct fd_mark {
	int fd;
	uint64_t dev;
	uint64_t ino;
};

#define FD_MARK_NONE     \
	{                \
		.fd = -1 \
	}

int fd_move_high(int low_fd);
void fd_mark_take(struct fd_mark *ret_mark, int fd);
bool fd_mark_holds(const struct fd_mark *mark);
