/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors inside a program that knows nothing of them
 *
 * A program may count on the next descriptor being the lowest free one, so ours are moved up. It
 * may also close every descriptor it does not know (daemons do), after which our number can come
 * to mean one of its own files: so ours carry the identity of their file and are compared with it
 * before each use.
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/kernel.h"

/* Above what programs loop over by hand, and low enough not to grow the kernel's table by much. */
#define FD_HIGH_BASE 900

/*
 * Move a descriptor up, out of the program's way, with close-on-exec set.
 *
 * Return: the new number; low_fd itself (made close-on-exec) where none higher is to be had.
 */
int fd_move_high(int low_fd)
{
	struct rlimit limit;
	int base_fd = FD_HIGH_BASE, high_fd;

	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur != RLIM_INFINITY &&
	    limit.rlim_cur < FD_HIGH_BASE + 64)
		base_fd = (int)(limit.rlim_cur / 2);
	high_fd = fcntl(low_fd, F_DUPFD_CLOEXEC, base_fd);
	if (high_fd < 0) {
		fcntl(low_fd, F_SETFD, FD_CLOEXEC);
		return low_fd;
	}
	close(low_fd);
	return high_fd;
}

/*
 * fstat() past libc: in the guest that says of our own descriptors that they are not there
 * (shim/hide-fd.c), and is a call of the program's. On 64-bit machines the kernel's struct stat is
 * libc's.
 */
static int fd_stat(int fd, struct stat *ret_st)
{
	return (int)kernel_call(SYS_newfstatat, fd, "", ret_st, AT_EMPTY_PATH);
}

/* Remember which file fd is; it becomes the mark's to close. */
void fd_mark_take(struct fd_mark *ret_mark, int fd)
{
	struct stat st;

	ret_mark->fd = fd;
	ret_mark->dev = ret_mark->ino = 0;
	if (fd >= 0 && !fd_stat(fd, &st)) {
		ret_mark->dev = st.st_dev;
		ret_mark->ino = st.st_ino;
	}
}

/* Whether the number still means the file it was taken for. */
bool fd_mark_holds(const struct fd_mark *mark)
{
	struct stat st;

	return mark->fd >= 0 && !fd_stat(mark->fd, &st) && st.st_dev == mark->dev &&
	       st.st_ino == mark->ino;
}
