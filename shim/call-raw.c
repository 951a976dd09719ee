/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls without a function of libc: futex and io_uring_enter, by syscall()
 *
 * This is how Rust's standard library waits for its locks, and liburing for its completions. A
 * process of one thread may change who it is in this way (ids.c), and end: with the watchdog in it
 * it would not. All other numbers go straight on.
 *
 * syscall() takes variable arguments. On the machines we run on these are passed as those of a
 * fixed list of the same types are (System V ABI for x86-64; AAPCS64 on Linux), and what the caller
 * did not pass is whatever stands there, as in libc's own: so the call on is a jump.
 */
#include <linux/futex.h>
#include <sys/syscall.h>

#include "call.h"
#include "ids.h"

long on_syscall(long number, long a, long b, long c, long d, long e, long f) __asm__("syscall");

static bool futex_waits(long operation)
{
	switch (operation & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
	case FUTEX_LOCK_PI:
	case FUTEX_WAIT_REQUEUE_PI:
		return true;
	default:
		return false;
	}
}

/* These are of one thread alone: of the whole process, if there is no other. */
static bool changes_ids(long number)
{
	switch (number) {
	case SYS_setuid:
	case SYS_setgid:
	case SYS_setreuid:
	case SYS_setregid:
	case SYS_setresuid:
	case SYS_setresgid:
	case SYS_setfsuid:
	case SYS_setfsgid:
	case SYS_setgroups:
	case SYS_capset:
	case SYS_unshare:
	case SYS_setns:
		return true;
	default:
		return false;
	}
}

#define RAW_CALL(name, fd_, args, ...)                                                     \
	({                                                                                 \
		struct loop *_loop = call_enter(HOOK_##name, CALL_WAITS, fd_);             \
		long _result = REAL(syscall) args;                                         \
                                                                                           \
		if (unlikely(_loop) && call_is_ours(_loop)) {                              \
			struct call_about _about = {.hook = HOOK_##name,                   \
						    .nature = CALL_WAITS,                  \
						    .fd = fd_,                             \
						    .caller = __builtin_return_address(0), \
						    __VA_ARGS__};                          \
			call_leave(_loop, &_about, CALL_ERROR(_result));                   \
		}                                                                          \
		_result;                                                                   \
	})

_export_ long on_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	/* A wait for a value that has changed already comes back at once with EAGAIN. */
	if (unlikely(number == SYS_futex) && thread_loop && futex_waits(b))
		return RAW_CALL(futex, -1, (number, a, b, c, d, e, f), .subject = SUBJECT_LOCK,
				.what = (const void *)a);
	/* a: the ring; c: how many completions to wait for. */
	if (unlikely(number == SYS_io_uring_enter) && thread_loop && c)
		return RAW_CALL(io_uring_enter, (int)a, (number, a, b, c, d, e, f),
				.subject = SUBJECT_FD);
	if (unlikely(changes_ids(number)))
		return IDS_CHANGED(REAL(syscall)(number, a, b, c, d, e, f));
	/* The last to end gives the status. Where there are other threads, they make it anew. */
	if (unlikely(number == SYS_exit))
		ids_end(ids_begin());
	return REAL(syscall)(number, a, b, c, d, e, f);
}
