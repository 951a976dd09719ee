/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls on descriptors themselves: what makes twins of them, closes them, sets O_NONBLOCK
 *
 * They are where the knowledge of fd-state.c comes from; waiting for a record lock is a call.
 * fcntl() and ioctl() take their argument as open() takes its mode (call-path.c).
 */
#include "call.h"
#include "hide-fd.h"
#include "retry.h"

int on_fcntl(int fd, int command, uintptr_t argument) __asm__("fcntl");
int on_fcntl64(int fd, int command, uintptr_t argument) __asm__("fcntl64");
int on_ioctl(int fd, unsigned long request, uintptr_t argument) __asm__("ioctl");

static void set_nonblocking(int fd, bool is_nonblocking)
{
	if (is_nonblocking)
		fd_state_set(fd, FD_NEVER_WAITS);
	else
		fd_state_forget_all();
}

static void fcntl_seen(int fd, int command, uintptr_t argument, int result)
{
	if (result < 0 && (command == F_SETLK || command == F_OFD_SETLK))
		retry_refused(fd);
	if (result < 0)
		return;
	if (command == F_SETFL)
		set_nonblocking(fd, argument & O_NONBLOCK);
	else if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
		fd_state_duplicated(fd, result);
}

_export_ int on_fcntl(int fd, int command, uintptr_t argument)
{
	int r;

	if (command == F_SETLKW || command == F_OFD_SETLKW)
		return CALL_FD(fcntl, CALL_WAITS, fd, (fd, command, argument));
	if (unlikely(hide_fd(fd)))
		return -1;
	r = REAL(fcntl)(fd, command, argument);
	fcntl_seen(fd, command, argument, r);
	return r;
}

_export_ int on_fcntl64(int fd, int command, uintptr_t argument)
{
	int r;

	if (command == F_SETLKW || command == F_OFD_SETLKW)
		return CALL_FD(fcntl64, CALL_WAITS, fd, (fd, command, argument));
	if (unlikely(hide_fd(fd)))
		return -1;
	r = REAL(fcntl64)(fd, command, argument);
	fcntl_seen(fd, command, argument, r);
	return r;
}

_export_ int on_ioctl(int fd, unsigned long request, uintptr_t argument)
{
	int r;

	if (request != FIONBIO)
		return CALL_FD(ioctl, CALL_QUICK, fd, (fd, request, argument));
	r = REAL(ioctl)(fd, request, argument);
	if (!r)
		set_nonblocking(fd, *(const int *)argument != 0);
	return r;
}

_export_ int dup(int fd)
{
	int new_fd = REAL(dup)(fd);

	if (new_fd >= 0)
		fd_state_duplicated(fd, new_fd);
	return new_fd;
}

_export_ int dup2(int fd, int new_fd)
{
	int r = REAL(dup2)(fd, new_fd);

	if (r >= 0 && fd != new_fd)
		fd_state_duplicated(fd, new_fd);
	return r;
}

_export_ int dup3(int fd, int new_fd, int flags)
{
	int r = REAL(dup3)(fd, new_fd, flags);

	if (r >= 0)
		fd_state_duplicated(fd, new_fd);
	return r;
}

_export_ int close_range(unsigned int first_fd, unsigned int last_fd, int flags)
{
	int r = REAL(close_range)(first_fd, last_fd, flags);

	fd_state_forget_all();
	return r;
}

_export_ void closefrom(int first_fd)
{
	REAL(closefrom)(first_fd);
	fd_state_forget_all();
}
