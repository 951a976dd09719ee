/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child processes: waiting for them (never with WNOHANG), and starting them
 *
 * system(), popen() and posix_spawn() are one call each; what libc does inside them is not seen.
 * A child that has been waited for is gone, so what it runs is read before, from a link that takes
 * no descriptor. vfork() cannot be stood in front of: it returns twice into the frame of its
 * caller.
 */
#include <stdio.h>

#include "call.h"

#define PROGRAM_MAX_BYTES 256

/*
 * What a child runs, in the caller's room: NULL when nothing is timed or it cannot be read. To ask
 * takes as long as the child is about to run it (the kernel's exec_update_lock), so that belongs to
 * the wait: this is called when the call has been entered.
 */
static const char *child_program(const struct loop *loop, pid_t pid, char *text)
{
	char link[32];
	ssize_t n;
	int saved_errno = errno;

	if (likely(!loop) || pid <= 0)
		return NULL;
	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	n = REAL(readlink)(link, text, PROGRAM_MAX_BYTES - 1);
	errno = saved_errno;
	if (n <= 0)
		return NULL;
	text[n] = '\0';
	return text;
}

/* The first argument of the real call, once it is known what the child runs. */
#define CHILD_FIRST(value, pid) (program = child_program(_loop, pid, text), (value))

#define CHILD_CALL(symbol, pid, program, args)                                                \
	CALL_ABOUT(symbol, CALL_WAITS, -1, args, .subject = SUBJECT_CHILD, .what = (program), \
		   .more = (uintptr_t)(pid))

/* Any child: which it was is the result. */
#define ANY_CHILD_CALL(symbol, args)                                       \
	CALL_ABOUT(symbol, CALL_WAITS, -1, args, .subject = SUBJECT_CHILD, \
		   .more = (uintptr_t)MAX(_result, 0))

_export_ pid_t wait(int *status)
{
	return ANY_CHILD_CALL(wait, (status));
}

_export_ pid_t wait3(int *status, int options, struct rusage *usage)
{
	if (options & WNOHANG)
		return REAL(wait3)(status, options, usage);
	return ANY_CHILD_CALL(wait3, (status, options, usage));
}

_export_ pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
	char text[PROGRAM_MAX_BYTES];
	const char *program = NULL;

	if (options & WNOHANG)
		return REAL(wait4)(pid, status, options, usage);
	return CHILD_CALL(wait4, MAX(_result, 0), program,
			  (CHILD_FIRST(pid, pid), status, options, usage));
}

_export_ pid_t waitpid(pid_t pid, int *status, int options)
{
	char text[PROGRAM_MAX_BYTES];
	const char *program = NULL;

	if (options & WNOHANG)
		return REAL(waitpid)(pid, status, options);
	return CHILD_CALL(waitpid, MAX(_result, 0), program,
			  (CHILD_FIRST(pid, pid), status, options));
}

_export_ int waitid(idtype_t type, id_t id, siginfo_t *found, int options)
{
	char text[PROGRAM_MAX_BYTES];
	pid_t pid = type == P_PID ? (pid_t)id : 0;
	const char *program = NULL;

	if (options & WNOHANG)
		return REAL(waitid)(type, id, found, options);
	return CHILD_CALL(waitid, pid, program, (CHILD_FIRST(type, pid), id, found, options));
}

_export_ int system(const char *command)
{
	return CALL(system, command ? CALL_WAITS : CALL_QUICK, (command));
}

_export_ FILE *popen(const char *command, const char *mode)
{
	return CALL(popen, CALL_WAITS, (command, mode));
}

_export_ int pclose(FILE *stream)
{
	return CALL(pclose, CALL_WAITS, (stream));
}

_export_ int posix_spawn(pid_t *restrict pid, const char *restrict path,
			 const posix_spawn_file_actions_t *restrict actions,
			 const posix_spawnattr_t *restrict attributes, char *const *restrict argv,
			 char *const *restrict environment)
{
	return CALL_PATH(posix_spawn, path, (pid, path, actions, attributes, argv, environment));
}

_export_ int posix_spawnp(pid_t *restrict pid, const char *restrict path,
			  const posix_spawn_file_actions_t *restrict actions,
			  const posix_spawnattr_t *restrict attributes, char *const *restrict argv,
			  char *const *restrict environment)
{
	return CALL_PATH(posix_spawnp, path, (pid, path, actions, attributes, argv, environment));
}

/* The child finds no loop on its thread (fork.c). Copying the page tables of a large one takes. */
_export_ pid_t fork(void)
{
	return CALL(fork, CALL_WAITS, ());
}

_export_ int forkpty(int *controller_fd, char *name, const struct termios *settings,
		     const struct winsize *size)
{
	return CALL(forkpty, CALL_WAITS, (controller_fd, name, settings, size));
}
