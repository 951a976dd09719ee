/* SPDX-License-Identifier: Apache-2.0 */
/* Socket calls: they wait only on a socket that is not O_NONBLOCK, and without MSG_DONTWAIT */
#include "call.h"

#define SOCKET_CALL(symbol, fd, flags, args) \
	(((flags)&MSG_DONTWAIT) ? REAL(symbol) args : CALL(symbol, fd, true, args))

_export_ int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t address_bytes)
{
	return CALL(connect, fd, true, (fd, address, address_bytes));
}

_export_ int accept(int fd, __SOCKADDR_ARG address, socklen_t *address_bytes)
{
	return CALL(accept, fd, true, (fd, address, address_bytes));
}

_export_ int accept4(int fd, __SOCKADDR_ARG address, socklen_t *address_bytes, int flags)
{
	return CALL(accept4, fd, true, (fd, address, address_bytes, flags));
}

_export_ ssize_t recv(int fd, void *buf, size_t size_bytes, int flags)
{
	return SOCKET_CALL(recv, fd, flags, (fd, buf, size_bytes, flags));
}

_export_ ssize_t recvfrom(int fd, void *buf, size_t size_bytes, int flags, __SOCKADDR_ARG address,
			  socklen_t *address_bytes)
{
	return SOCKET_CALL(recvfrom, fd, flags,
			   (fd, buf, size_bytes, flags, address, address_bytes));
}

_export_ ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	return SOCKET_CALL(recvmsg, fd, flags, (fd, message, flags));
}

_export_ ssize_t send(int fd, const void *buf, size_t size_bytes, int flags)
{
	return SOCKET_CALL(send, fd, flags, (fd, buf, size_bytes, flags));
}

_export_ ssize_t sendto(int fd, const void *buf, size_t size_bytes, int flags,
			__CONST_SOCKADDR_ARG address, socklen_t address_bytes)
{
	return SOCKET_CALL(sendto, fd, flags, (fd, buf, size_bytes, flags, address, address_bytes));
}

_export_ ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	return SOCKET_CALL(sendmsg, fd, flags, (fd, message, flags));
}
