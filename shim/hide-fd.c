/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our descriptors are not there, as far as the program can tell by closing or asking after them
 *
 * A program that closes all descriptors it does not know, or looks which there are by fstat() or
 * fcntl(), gets for ours what it would get without us: EBADF. Those that close ranges by a system
 * call of their own do take ours away: before a use is looked whether the number still means our
 * file (base/fd.c). There are two, the region's memfd and the first connection; whatever else we
 * open is in the watchdog's own table (private-fd.c).
 */
#include <errno.h>

#include "call.h"
#include "hide-fd.h"
#include "real.h"
#include "uplink.h"
#include "watch.h"

/* Sets errno when it is one of ours. In a vfork child it is a copy, and the child's to close. */
_hidden_ bool hide_fd(int fd)
{
	if (likely(!watch_is_open() || !uplink_owns_fd(fd)) || getpid() != watch.pid)
		return false;
	errno = EBADF;
	return true;
}

_export_ int close(int fd)
{
	int r;

	if (unlikely(hide_fd(fd)))
		return -1;
	/* Before and after: another thread may ask in between, or be given the number at once. */
	fd_state_closed(fd);
	/* A socket may linger, and a file server is told of each close. By its end there is nothing
	 * left to name. */
	r = CALL(close, CALL_QUICK, (fd));
	fd_state_closed(fd);
	return r;
}
