/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Made: where a connection was made, or a file opened
 *
 * A connection that nobody closes is found when its object is dropped or its loop closes, far from
 * the line that opened it. asyncio and uvloop both call connect() while the coroutine that wants
 * the connection is on the stack: that stack is kept until another connection has the descriptor.
 * libuv closes by a bare system call, so whether the descriptor still means the same socket is
 * asked of the kernel before use. What was accepted was made by nobody's line, and has no place
 * here. Of a loop it is where it was run for the first time, of a file where it was opened (strict
 * mode, shim/py/file.c).
 *
 * Written by the thread that owns the descriptor; two threads that race over one descriptor race
 * over the descriptor itself. Keeping a stack costs a microsecond or two a connection.
 */
#include <errno.h>
#include <string.h>

#include "emit.h"
#include "loop.h"
#include "made.h"
#include "room.h"

/* Descriptors from here on have no place. */
#define MADE_N_FDS	1024
#define MADE_MAX_FRAMES 12

struct made {
	struct fd_mark mark; /* the socket */
	struct record_stack stack;
	struct record_frame frames[MADE_MAX_FRAMES];
};

static struct made made[MADE_N_FDS];

/* Out of line: its stack is taken only where there is room for it. */
static __attribute__((noinline)) void made_take(const struct loop *loop, int fd)
{
	struct stack_buf stack;

	emit_own_stack(loop->tstate_raddr, &stack);
	made[fd].stack = stack.stack;
	if (stack.stack.n_frames > MADE_MAX_FRAMES)
		made[fd].stack = (struct record_stack){MADE_MAX_FRAMES, PYFRAME_END_DEPTH};
	memcpy(made[fd].frames, stack.frames, made[fd].stack.n_frames * sizeof(stack.frames[0]));
	fd_mark_take(&made[fd].mark, fd);
}

/* A loop's thread has called connect() for fd. Keeps errno. */
_hidden_ _cold_ void made_here(int fd)
{
	struct loop *loop = thread_loop;
	int saved_errno = errno;

	if (!loop || (unsigned int)fd >= MADE_N_FDS)
		return;
	if (!room_is_signal_stack() && room_is_enough())
		made_take(loop, fd);
	else
		made[fd].stack.n_frames = 0;
	errno = saved_errno;
}

/* Unless it is known already. */
_hidden_ void made_here_once(int fd)
{
	int saved_errno = errno;

	if ((unsigned int)fd < MADE_N_FDS &&
	    (!made[fd].stack.n_frames || !fd_mark_holds(&made[fd].mark)))
		made_here(fd);
	errno = saved_errno;
}

/* By a thread without a loop: what is kept of an earlier one with this descriptor is not of it. */
_hidden_ void made_elsewhere(int fd)
{
	if ((unsigned int)fd < MADE_N_FDS && made[fd].stack.n_frames)
		made[fd].stack.n_frames = 0;
}

_hidden_ bool made_stack(int fd, struct stack_buf *ret_stack)
{
	if ((unsigned int)fd >= MADE_N_FDS || !made[fd].stack.n_frames ||
	    !fd_mark_holds(&made[fd].mark))
		return false;
	memset(ret_stack, 0, offsetof(struct stack_buf, frames));
	ret_stack->stack = made[fd].stack;
	memcpy(ret_stack->frames, made[fd].frames,
	       ret_stack->stack.n_frames * sizeof(ret_stack->frames[0]));
	return true;
}

/* In a fork child: the names are the parent's. */
_hidden_ void made_forget(void)
{
	for (unsigned int fd = 0; fd < MADE_N_FDS; fd++)
		if (made[fd].stack.n_frames)
			made[fd].stack.n_frames = 0;
}
