/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a descriptor
 *
 * A call on a descriptor that is O_NONBLOCK is not looked at further, so that whether one is has to
 * be known without asking the kernel each time. What the program sets by fcntl() and ioctl() and
 * what accept4() gives is seen (hide-fd.c, call-net.c); anything else is asked for at the first
 * call that matters and kept.
 *
 * O_NONBLOCK belongs to the open file, not to the descriptor. So when one is set to wait, all that
 * is known is dropped: it may have twins. Twins that dup() makes are marked, and always asked for.
 * A process on the other side of a fork, a twin sent over a socket, and descriptors closed behind
 * our back (by libc inside closedir()) are not seen: so the watchdog drops everything once a second
 * as well, by a new epoch.
 *
 * Plain words, written by any thread. Two that race over one descriptor race over the descriptor
 * itself; what a loser leaves behind lasts until the next epoch.
 */
#include <errno.h>
#include <fcntl.h>

#include "fd-state.h"
#include "watch.h"

/* To ask for one again takes 100 ns. */
#define FD_STATE_AGE_NS (1 * NSEC_PER_SEC)

/* An epoch of zero is never in force: a word of zero is unknown. */
_hidden_ _Atomic uint32_t fd_state_epoch = 1;
_hidden_ _Atomic uint32_t fd_states[FD_STATE_N];
_hidden_ _Atomic bool fds_opened[FD_STATE_N];

_hidden_ void fd_state_set(int fd, enum fd_state state)
{
	uint32_t epoch = atomic_load_explicit(&fd_state_epoch, memory_order_relaxed);

	if ((unsigned int)fd < FD_STATE_N && fd_state_known(fd) != FD_SHARED)
		atomic_store_explicit(&fd_states[fd], epoch << FD_STATE_BITS | (uint32_t)state,
				      memory_order_relaxed);
}

_hidden_ void fd_state_forget_all(void)
{
	uint32_t epoch = atomic_load_explicit(&fd_state_epoch, memory_order_relaxed) + 1;

	epoch &= UINT32_MAX >> FD_STATE_BITS;
	atomic_store_explicit(&fd_state_epoch, epoch ? epoch : 1, memory_order_relaxed);
}

/* Called by the watchdog at each of its ticks, while turns pass. */
_hidden_ void fd_state_age(uint64_t now)
{
	static uint64_t aged_at;

	if (now - aged_at < clock_span_ticks(&watch.scale, FD_STATE_AGE_NS))
		return;
	aged_at = now;
	fd_state_forget_all();
}

_hidden_ void fd_state_duplicated(int from_fd, int to_fd)
{
	fd_state_closed(to_fd);
	fd_state_set(from_fd, FD_SHARED);
	fd_state_set(to_fd, FD_SHARED);
}

/* Whether calls on fd wait, as the kernel says where it is not known. Changes errno. */
_hidden_ bool fd_state_ask(int fd)
{
	enum fd_state state = fd_state_known(fd);
	int flags;

	if (state == FD_NEVER_WAITS || state == FD_WAITS)
		return state == FD_WAITS;
	flags = REAL(fcntl)(fd, F_GETFL);
	if (flags >= 0)
		fd_state_set(fd, flags & O_NONBLOCK ? FD_NEVER_WAITS : FD_WAITS);
	return flags < 0 || !(flags & O_NONBLOCK);
}
