/* SPDX-License-Identifier: Apache-2.0 */
/* Retry: one wait that a library makes of many sleeps */
#pragma once

#include "call.h"

bool retry_step(struct loop *loop, const struct call_about *about, uint64_t span, int error);
void retry_flush(struct loop *loop);

/* A lock on a file was refused: what sleeps next, and at once, waits for it. */
static inline void retry_refused(int fd)
{
	struct loop *loop = thread_loop;

	if (likely(!loop) || !loop->is_open || (errno != EAGAIN && errno != EACCES))
		return;
	loop->is_noted = true;
	loop->refused_fd = fd;
	loop->refused_call = loop->callback_calls + 1;
}
