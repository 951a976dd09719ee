/* SPDX-License-Identifier: Apache-2.0 */
/* Try: one call of a snippet, and the line that says what came of it */
#pragma once

#include <errno.h>
#include <unistd.h>

#include "snippets.h"

#define MARKER EXDEV
#define NO_FD  1000000

void say(const char *name, long result);
void snippets_more(enum snippet_frame frame);
void snippets_rest(enum snippet_frame frame);

#define TRY(name, call)                  \
	do {                             \
		errno = MARKER;          \
		say(name, (long)(call)); \
	} while (0)

/* The same for a call that gives a descriptor: said is whether there is one. */
#define TRY_FD(name, call)           \
	do {                         \
		int _fd;             \
                                     \
		errno = MARKER;      \
		_fd = (call);        \
		say(name, _fd >= 0); \
		if (_fd >= 0)        \
			close(_fd);  \
	} while (0)
