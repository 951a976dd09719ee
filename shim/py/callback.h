/* SPDX-License-Identifier: Apache-2.0 */
/* Callback: where one callback of a loop ends and the next begins */
#pragma once

#include "base/defs.h"
#include "py/api.h"

/* Where a framework's own machine code lies; the size is 0 where none is known. */
struct callback_code {
	uintptr_t start;
	size_t size_bytes;
};

/* uvloop, and libuv where that is a library of its own (Debian). */
extern struct callback_code callback_framework[2];

/* How much there is to be done between two callbacks: of cancel.c and origin.c. */
extern uint32_t callback_work;

struct loop;

void callback_edge(struct loop *loop);
void callback_install(void);
void callback_watch_twins(void);
void callback_install_uvloop(PyObject *uvloop_class);

/* Whether a call comes out of it: what a loop does for itself. */
static inline bool callback_is_framework(const void *caller)
{
	for (unsigned int i = 0; i < ARRAY_LEN(callback_framework); i++)
		if ((uintptr_t)caller - callback_framework[i].start <
		    callback_framework[i].size_bytes)
			return true;
	return false;
}
