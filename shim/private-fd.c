/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A descriptor table of the watchdog's own
 *
 * A descriptor is opened at the lowest free number. Were the watchdog to open one in the program's
 * table, the program's own next open() would get another number than it counts on (close(0), then
 * open()), and a dup2() of the program onto our number would be undone when we close it. So the
 * watchdog leaves the table it shares with the program for a copy and closes all but ours in it.
 *
 * The copies of the program's files live for the microseconds between the system calls. Record
 * locks belong to a table (struct files_struct), so closing the copies releases none. On FUSE and
 * NFS, though, each close of a copy is a flush that the program did not ask for.
 */
#include <sched.h>
#include <sys/resource.h>

#include "base/defs.h"
#include "base/kernel.h"
#include "private-fd.h"

/* linux/close_range.h, Linux 5.9; not in the headers of all that we are built on. */
#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1u << 1)
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
/* Without close_range each number is closed by itself: up to here. */
#define MAX_CLOSED_SINGLY 65536

static void close_run(unsigned int first, unsigned int last)
{
	struct rlimit limit;

	if (!kernel_call(SYS_close_range, first, last, 0))
		return;
	last = MIN(last, MAX_CLOSED_SINGLY);
	if (!kernel_call(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) && limit.rlim_cur < last)
		last = (unsigned int)limit.rlim_cur;
	for (unsigned int fd = first; fd <= last; fd++)
		kernel_call(SYS_close, fd);
}

/* Container runtimes forbid unshare() more often than close_range(). */
static bool leave_table(unsigned int first_closed)
{
	return !kernel_call(SYS_close_range, first_closed, ~0u, CLOSE_RANGE_UNSHARE) ||
	       !kernel_call(SYS_unshare, CLONE_FILES);
}

/*
 * Give the calling thread a table of its own with nothing in it but kept_fds (in rising order;
 * negative ones are none).
 *
 * Return: false when the system forbids it. Then the thread still shares the program's table and
 * must not open anything.
 */
_hidden_ bool private_fd_table(const int *kept_fds, unsigned int n_kept)
{
	unsigned int first = 0;

	if (!leave_table(n_kept ? (unsigned int)MAX(kept_fds[n_kept - 1], 0) + 1 : 0))
		return false;
	for (unsigned int i = 0; i < n_kept; i++) {
		if (kept_fds[i] < 0)
			continue;
		if ((unsigned int)kept_fds[i] > first)
			close_run(first, (unsigned int)kept_fds[i] - 1);
		first = (unsigned int)kept_fds[i] + 1;
	}
	close_run(first, ~0u);
	return true;
}
