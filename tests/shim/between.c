/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library between a program and libc, as other preloaded ones are: it may take locks, allocate,
 * and have variables of a thread. A thread that libc does not know must not come through it.
 *
 * Such a one is known by its signals: all are blocked, libc's own too. What it came through is said
 * at the end of the process, since it may have no stderr. The functions are passed on as if they
 * took seven words (see call-raw.c).
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>

#define EXPORT __attribute__((visibility("default")))

typedef long function(long a, long b, long c, long d, long e, long f, long g);

static function *real_syscall;

static bool thread_is_strange(void)
{
	const uint64_t never = UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGSTOP - 1);
	uint64_t mask = 0;

	if (!real_syscall)
		real_syscall = (function *)dlsym(RTLD_NEXT, "syscall");
	real_syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&mask, sizeof(mask), 0, 0);
	return (mask | never) == UINT64_MAX;
}

static const char *strange_names[64];
static _Atomic unsigned int n_strange;

static void note(const char *name)
{
	unsigned int n = n_strange++;

	if (n < 64)
		strange_names[n] = name;
}

__attribute__((destructor)) static void say(void)
{
	for (unsigned int i = 0; i < n_strange && i < 64; i++)
		fprintf(stderr, "not for us, but in %s()\n", strange_names[i]);
}

#define BETWEEN_IF(symbol, is_wrong)                                                         \
	function between_##symbol __asm__(#symbol);                                          \
	EXPORT long between_##symbol(long a, long b, long c, long d, long e, long f, long g) \
	{                                                                                    \
		static function *real;                                                       \
		static bool is_noted;                                                        \
		int saved_errno = errno;                                                     \
                                                                                             \
		if (!real)                                                                   \
			real = (function *)dlsym(RTLD_NEXT, #symbol);                        \
		if (!is_noted && (is_wrong)) {                                               \
			is_noted = true;                                                     \
			note(#symbol);                                                       \
		}                                                                            \
		errno = real ? saved_errno : ENOSYS;                                         \
		return real ? real(a, b, c, d, e, f, g) : -1;                                \
	}

#define BETWEEN(symbol) BETWEEN_IF(symbol, thread_is_strange())

/* Nobody calls it by its name: a sanitizer takes it for a fork(). */
BETWEEN_IF(clone, true)
BETWEEN(access)
BETWEEN(chdir)
BETWEEN(clock_gettime)
BETWEEN(close)
BETWEEN(close_range)
BETWEEN(connect)
BETWEEN(dup)
BETWEEN(dup2)
BETWEEN(fcntl)
BETWEEN(fcntl64)
BETWEEN(fstat)
BETWEEN(fstat64)
BETWEEN(ftruncate)
BETWEEN(ftruncate64)
BETWEEN(getcwd)
BETWEEN(getenv)
BETWEEN(getpid)
BETWEEN(getrlimit)
BETWEEN(getrlimit64)
BETWEEN(getuid)
BETWEEN(madvise)
BETWEEN(memfd_create)
BETWEEN(mmap)
BETWEEN(munmap)
BETWEEN(nanosleep)
BETWEEN(open)
BETWEEN(open64)
BETWEEN(openat)
BETWEEN(openat64)
BETWEEN(poll)
BETWEEN(prctl)
BETWEEN(pread)
BETWEEN(pread64)
BETWEEN(process_vm_readv)
BETWEEN(pthread_mutex_lock)
BETWEEN(pthread_mutex_unlock)
BETWEEN(pwrite)
BETWEEN(pwrite64)
BETWEEN(pwritev)
BETWEEN(pwritev64)
BETWEEN(read)
BETWEEN(readlink)
BETWEEN(recv)
BETWEEN(recvfrom)
BETWEEN(recvmsg)
BETWEEN(sched_yield)
BETWEEN(send)
BETWEEN(sendmsg)
BETWEEN(sendto)
BETWEEN(setns)
BETWEEN(socket)
BETWEEN(stat)
BETWEEN(stat64)
BETWEEN(syscall)
BETWEEN(unshare)
BETWEEN(usleep)
BETWEEN(write)
BETWEEN(writev)
