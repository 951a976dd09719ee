/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket calls: they wait only on a socket that is not O_NONBLOCK, and without MSG_DONTWAIT
 *
 * Whether the real call has SO_RCVTIMEO to go by makes no difference: it can wait.
 */
#include "call.h"
#include "made.h"

#define SOCKET_CALL(symbol, fd, flags, args) \
	(((flags)&MSG_DONTWAIT) ? REAL(symbol) args : CALL_FD(symbol, CALL_BY_FD, fd, args))
/* One with an address of its own names that and not the peer it may not have. */
#define ADDRESS_CALL(symbol, fd, address, bytes, args)                       \
	CALL_ABOUT(symbol, CALL_BY_FD, fd, args, .subject = SUBJECT_ADDRESS, \
		   .what = (const void *)(address).__sockaddr__, .more = (address_bytes))

_export_ int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t address_bytes)
{
	int result =
		ADDRESS_CALL(connect, fd, address, address_bytes, (fd, address, address_bytes));

	if (thread_loop)
		made_here(fd);
	return result;
}

_export_ int accept(int fd, __SOCKADDR_ARG address, socklen_t *address_bytes)
{
	int accepted_fd = CALL_FD(accept, CALL_BY_FD, fd, (fd, address, address_bytes));

	if (accepted_fd >= 0)
		fd_state_closed(accepted_fd);
	return accepted_fd;
}

_export_ int accept4(int fd, __SOCKADDR_ARG address, socklen_t *address_bytes, int flags)
{
	int accepted_fd = CALL_FD(accept4, CALL_BY_FD, fd, (fd, address, address_bytes, flags));

	if (accepted_fd >= 0) {
		fd_state_closed(accepted_fd);
		if (flags & SOCK_NONBLOCK)
			fd_state_set(accepted_fd, FD_NEVER_WAITS);
	}
	return accepted_fd;
}

_export_ ssize_t recv(int fd, void *buf, size_t size_bytes, int flags)
{
	return SOCKET_CALL(recv, fd, flags, (fd, buf, size_bytes, flags));
}

_export_ ssize_t __recv_chk(int fd, void *buf, size_t size_bytes, size_t room_bytes, int flags)
{
	return SOCKET_CALL(__recv_chk, fd, flags, (fd, buf, size_bytes, room_bytes, flags));
}

_export_ ssize_t recvfrom(int fd, void *buf, size_t size_bytes, int flags, __SOCKADDR_ARG address,
			  socklen_t *address_bytes)
{
	return SOCKET_CALL(recvfrom, fd, flags,
			   (fd, buf, size_bytes, flags, address, address_bytes));
}

_export_ ssize_t __recvfrom_chk(int fd, void *buf, size_t size_bytes, size_t room_bytes, int flags,
				__SOCKADDR_ARG address, socklen_t *address_bytes)
{
	return SOCKET_CALL(__recvfrom_chk, fd, flags,
			   (fd, buf, size_bytes, room_bytes, flags, address, address_bytes));
}

_export_ ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	return SOCKET_CALL(recvmsg, fd, flags, (fd, message, flags));
}

_export_ int recvmmsg(int fd, struct mmsghdr *messages, unsigned int n_messages, int flags,
		      struct timespec *timeout)
{
	return SOCKET_CALL(recvmmsg, fd, flags, (fd, messages, n_messages, flags, timeout));
}

_export_ ssize_t send(int fd, const void *buf, size_t size_bytes, int flags)
{
	return SOCKET_CALL(send, fd, flags, (fd, buf, size_bytes, flags));
}

_export_ ssize_t sendto(int fd, const void *buf, size_t size_bytes, int flags,
			__CONST_SOCKADDR_ARG address, socklen_t address_bytes)
{
	if (flags & MSG_DONTWAIT)
		return REAL(sendto)(fd, buf, size_bytes, flags, address, address_bytes);
	return ADDRESS_CALL(sendto, fd, address, address_bytes,
			    (fd, buf, size_bytes, flags, address, address_bytes));
}

_export_ ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	return SOCKET_CALL(sendmsg, fd, flags, (fd, message, flags));
}

_export_ int sendmmsg(int fd, struct mmsghdr *messages, unsigned int n_messages, int flags)
{
	return SOCKET_CALL(sendmmsg, fd, flags, (fd, messages, n_messages, flags));
}

/* It waits for nobody, but its way through the kernel's locks can be long. */
_export_ int shutdown(int fd, int how)
{
	return CALL_FD(shutdown, CALL_QUICK, fd, (fd, how));
}
