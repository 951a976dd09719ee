/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for child processes: never with WNOHANG */
#include "call.h"

_export_ pid_t wait(int *status)
{
	return CALL(wait, -1, false, (status));
}

_export_ pid_t wait3(int *status, int options, struct rusage *usage)
{
	if (options & WNOHANG)
		return REAL(wait3)(status, options, usage);
	return CALL(wait3, -1, false, (status, options, usage));
}

_export_ pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
	if (options & WNOHANG)
		return REAL(wait4)(pid, status, options, usage);
	return CALL(wait4, -1, false, (pid, status, options, usage));
}

_export_ pid_t waitpid(pid_t pid, int *status, int options)
{
	if (options & WNOHANG)
		return REAL(waitpid)(pid, status, options);
	return CALL(waitpid, -1, false, (pid, status, options));
}

_export_ int waitid(idtype_t type, id_t id, siginfo_t *found, int options)
{
	if (options & WNOHANG)
		return REAL(waitid)(type, id, found, options);
	return CALL(waitid, -1, false, (type, id, found, options));
}
