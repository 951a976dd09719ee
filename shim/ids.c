/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process changes who it is: its users and groups, or its namespaces
 *
 * To the kernel each thread has users and groups of its own; libc changes those of every thread it
 * knows, and it does not know of the watchdog (thread.c). One with the old rights must not stay
 * behind in a process that has given them up. And a process with threads is not given some other
 * namespaces. So the watchdog is ended before and made anew by the next turn, as round a fork, with
 * whatever rights that turn has.
 *
 * setuid() and its like may be called by a signal handler, on top of whoever holds the lock, and
 * in a vfork child, which has none of our threads and must not touch those of its parent.
 *
 * A bare system call and capset() change the calling thread alone, as they do with us: but where it
 * is the only one of the program, what it gives up the whole process has given up.
 */
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <unistd.h>

#include "fork.h"
#include "ids.h"
#include "loop.h"
#include "watchdog.h"

/* linux/sched.h, Linux 5.6; not in glibc's of all that we are built on. */
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

/* Return: whether ids_end() has something to release. Keeps errno. */
_hidden_ bool ids_begin(void)
{
	int saved_errno = errno;
	bool is_held;

	if (likely(!loops_run_here()))
		return false;
	is_held = fork_hold_watchdog();
	if (!is_held)
		watchdog_dismiss();
	errno = saved_errno;
	return is_held;
}

_hidden_ void ids_end(bool is_held)
{
	if (is_held)
		fork_release_watchdog();
}

_export_ int setuid(uid_t user)
{
	return IDS_CHANGED(REAL(setuid)(user));
}

_export_ int setgid(gid_t group)
{
	return IDS_CHANGED(REAL(setgid)(group));
}

_export_ int seteuid(uid_t user)
{
	return IDS_CHANGED(REAL(seteuid)(user));
}

_export_ int setegid(gid_t group)
{
	return IDS_CHANGED(REAL(setegid)(group));
}

_export_ int setreuid(uid_t real_user, uid_t user)
{
	return IDS_CHANGED(REAL(setreuid)(real_user, user));
}

_export_ int setregid(gid_t real_group, gid_t group)
{
	return IDS_CHANGED(REAL(setregid)(real_group, group));
}

_export_ int setresuid(uid_t real_user, uid_t user, uid_t saved_user)
{
	return IDS_CHANGED(REAL(setresuid)(real_user, user, saved_user));
}

_export_ int setresgid(gid_t real_group, gid_t group, gid_t saved_group)
{
	return IDS_CHANGED(REAL(setresgid)(real_group, group, saved_group));
}

_export_ int setgroups(size_t n_groups, const gid_t *groups)
{
	return IDS_CHANGED(REAL(setgroups)(n_groups, groups));
}

_export_ int capset(void *header, const void *data)
{
	return IDS_CHANGED(REAL(capset)(header, data));
}

/* Kernel, check_unshare_flags(): a process of several threads is refused these. */
#define UNSHARED_ALONE (CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)

_export_ int unshare(int flags)
{
	if (!(flags & UNSHARED_ALONE))
		return REAL(unshare)(flags);
	return IDS_CHANGED(REAL(unshare)(flags));
}

/* Another user or time namespace asks for one thread, a mount namespace for a root of its own. */
#define ENTERED_ALONE (CLONE_NEWUSER | CLONE_NEWTIME | CLONE_NEWNS)

/* type: what kind the namespace of fd must be of; 0: any. */
_export_ int setns(int fd, int type)
{
	if (type && !(type & ENTERED_ALONE))
		return REAL(setns)(fd, type);
	return IDS_CHANGED(REAL(setns)(fd, type));
}
