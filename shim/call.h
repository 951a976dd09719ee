/* SPDX-License-Identifier: Apache-2.0 */
/* Call: a hooked call made while a turn is open, timed */
#pragma once

#include <errno.h>

#include "fd-state.h"
#include "loop.h"

/* What makes a call one that can wait. */
enum call_nature {
	CALL_QUICK, /* hardly: counts when it did, and strict does not ask further */
	CALL_WAITS,
	CALL_BY_FD, /* unless its descriptor is O_NONBLOCK */
	CALL_WRITE, /* likewise; what goes to stdout and stderr counts when it did wait */
	CALL_ASKS,  /* after a file; the pipes, sockets and terminals among them never wait */
};

/* What a call was made on: for its target, found only when the call is told of. */
enum call_subject {
	SUBJECT_NONE,
	SUBJECT_FD,	 /* what: for CALL_ASKS, the struct stat that was filled */
	SUBJECT_STREAM,	 /* what: a FILE, open still */
	SUBJECT_PATH,	 /* what: the path; fd: the directory it starts from, or AT_FDCWD;
			    more: 1 + the descriptor it opened, 0: none */
	SUBJECT_ADDRESS, /* what: a sockaddr, of more bytes; else as SUBJECT_FD */
	SUBJECT_HOST,	 /* what: the name; more: the service, NULL for none */
	SUBJECT_CHILD,	 /* more: its pid; what: its program as the caller knows it, or NULL */
	SUBJECT_LOCK,	 /* what: its address; fd: call_lock_fd() */
	SUBJECT_SLEEP,	 /* for what: a timespec, or NULL; more: microseconds then */
};

/*
 * A call as its wrapper describes it; the pointers are the program's and are read through the
 * kernel, since they may lead anywhere.
 */
struct call_about {
	enum hook hook;
	enum call_nature nature;
	enum call_subject subject;
	int fd; /* -1: none */
	const void *what;
	uintptr_t more;
	const void *caller; /* return address of the wrapper */
};

void call_slow(struct loop *loop, const struct call_about *about, uint64_t now, int error);
bool call_was_left(const struct loop *loop, uintptr_t frame);

/*
 * Enter a call. Return: the loop it holds; NULL when there is nothing to time: no loop on this
 * thread, no turn open, a call within a call (a signal handler, another library), our own work, or
 * a descriptor that does not wait. Inlined always: the frame is the wrapper's.
 */
static inline __attribute__((always_inline)) struct loop *
call_enter(enum hook hook, enum call_nature nature, int fd)
{
	uintptr_t frame = (uintptr_t)__builtin_dwarf_cfa();
	struct loop *loop = thread_loop;
	struct slot *slot;

	if (likely(!loop) || !loop->is_open)
		return NULL;
	if (unlikely(loop->is_in_call) && !call_was_left(loop, frame))
		return NULL;
	if ((nature == CALL_BY_FD || nature == CALL_WRITE) && fd_state_known(fd) == FD_NEVER_WAITS)
		return NULL;
	slot = loop->slot;
	loop->is_in_call = true;
	/* A handler that comes in between ends with not being in a call, and this one is not told
	 * of; the other way round it would leave its own frame here. */
	atomic_signal_fence(memory_order_seq_cst);
	loop->call_frame = frame;
	loop->callback_calls++;
	loop->call_start = clock_ticks(watch.clock_kind);
	atomic_store_explicit(&slot->call_str, watch.call_str[hook], memory_order_relaxed);
	atomic_store_explicit(&slot->call_fd, fd, memory_order_relaxed);
	atomic_store_explicit(&slot->call_start, loop->call_start, memory_order_release);
	return loop;
}

/* Leave it. error is the errno of a call that failed, else 0. Keeps errno. */
static inline void call_leave(struct loop *loop, const struct call_about *about, int error)
{
	uint64_t now = clock_ticks(watch.clock_kind);

	atomic_store_explicit(&loop->slot->call_start, 0, memory_order_release);
	if (unlikely(now - loop->call_start >= watch.limits.call_floor))
		call_slow(loop, about, now, error);
	loop->is_in_call = false;
}

/* A signal handler may have forked during the call: in the child there is no loop. */
static inline bool call_is_ours(const struct loop *loop)
{
	return likely(thread_loop == loop && loop->is_in_call);
}

/*
 * The body of a wrapper: the real call, timed when it holds a loop. What stands behind args
 * describes what the call is made on, as fields of struct call_about; it is evaluated after the
 * call, and only when there is something to tell.
 */
#define CALL_ABOUT(symbol, nature_, fd_, args, ...)                                        \
	({                                                                                 \
		int _fd = (fd_);                                                           \
		enum call_nature _nature = (nature_);                                      \
		struct loop *_loop = call_enter(HOOK_##symbol, _nature, _fd);              \
		__typeof__(symbol args) _result = REAL(symbol) args;                       \
                                                                                           \
		if (unlikely(_loop) && call_is_ours(_loop)) {                              \
			struct call_about _about = {.hook = HOOK_##symbol,                 \
						    .nature = _nature,                     \
						    .fd = _fd,                             \
						    .caller = __builtin_return_address(0), \
						    __VA_ARGS__};                          \
			call_leave(_loop, &_about, CALL_ERROR((long)_result));             \
		}                                                                          \
		_result;                                                                   \
	})
/* Results are of all types: a size, a pointer, an unsigned rest. */
#define CALL_ERROR(result) ((int)(result) == -1 ? errno : 0)

/* What stands for the descriptor of a call on a lock: none, and the thread that has it, if known.
 */
static inline int call_lock_fd(int holder)
{
	return -1 - holder;
}

/* On a descriptor; on a path from the working directory, from a directory; on nothing. */
#define CALL_FD(symbol, nature, fd, args) \
	CALL_ABOUT(symbol, nature, fd, args, .subject = SUBJECT_FD)
#define CALL_PATH(symbol, path, args) \
	CALL_ABOUT(symbol, CALL_WAITS, -1, args, .subject = SUBJECT_PATH, .what = (path))
#define CALL_PATH_AT(symbol, dir_fd, path, args) \
	CALL_ABOUT(symbol, CALL_WAITS, dir_fd, args, .subject = SUBJECT_PATH, .what = (path))
#define CALL_OPEN(symbol, dir_fd, path, args)                                                 \
	CALL_ABOUT(symbol, CALL_WAITS, dir_fd, args, .subject = SUBJECT_PATH, .what = (path), \
		   .more = (uintptr_t)(_result + 1))
#define CALL(symbol, nature, args) CALL_ABOUT(symbol, nature, -1, args)
