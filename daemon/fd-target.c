/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Target of a descriptor of another process
 *
 * As the shim writes it (shim/target.c): a socket by its peer, or by its own address where it has
 * none; anything else as the kernel names it. A socket is asked through a copy of the descriptor,
 * which is closed at once. It is asked when its call is over: one that was closed by then has none.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/defs.h"
#include "fd-target.h"

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
	struct sockaddr_storage room;
};

static int unix_text(const struct sockaddr_un *un, socklen_t length, char *text)
{
	size_t path_bytes = length - offsetof(struct sockaddr_un, sun_path);

	if (length <= offsetof(struct sockaddr_un, sun_path))
		return snprintf(text, FD_TARGET_MAX_BYTES, "unix socket");
	if (!un->sun_path[0])
		return snprintf(text, FD_TARGET_MAX_BYTES, "unix:@%.*s", (int)path_bytes - 1,
				un->sun_path + 1);
	return snprintf(text, FD_TARGET_MAX_BYTES, "unix:%.*s",
			(int)strnlen(un->sun_path, path_bytes), un->sun_path);
}

static int address_text(const union address *address, socklen_t length, char *text)
{
	char host[INET6_ADDRSTRLEN];

	if (length < sizeof(address->any.sa_family))
		return 0;
	if (address->any.sa_family == AF_UNIX)
		return unix_text(&address->un, MIN(length, (socklen_t)sizeof(address->un)), text);
	if (address->any.sa_family == AF_INET && length >= sizeof(address->in) &&
	    inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof(host)))
		return snprintf(text, FD_TARGET_MAX_BYTES, "%s:%u", host,
				ntohs(address->in.sin_port));
	if (address->any.sa_family == AF_INET6 && length >= sizeof(address->in6) &&
	    inet_ntop(AF_INET6, &address->in6.sin6_addr, host, sizeof(host)))
		return snprintf(text, FD_TARGET_MAX_BYTES, "[%s]:%u", host,
				ntohs(address->in6.sin6_port));
	return 0;
}

static int socket_text(int pidfd, int fd, char *text)
{
	_cleanup_close_ int copy_fd = -1;
	socklen_t length = sizeof(union address);
	union address address;

#ifdef SYS_pidfd_getfd
	copy_fd = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
#endif
	if (copy_fd < 0)
		return 0;
	if (!getpeername(copy_fd, &address.any, &length))
		return address_text(&address, length, text);
	length = sizeof(address);
	if (getsockname(copy_fd, &address.any, &length))
		return 0;
	return address_text(&address, length, text);
}

/* Return: its length; 0 when there is none. */
size_t fd_target(int32_t pid, int pidfd, int fd, char text[FD_TARGET_MAX_BYTES])
{
	char link[64];
	ssize_t n;
	int length;

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, fd);
	n = readlink(link, text, FD_TARGET_MAX_BYTES - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	if (strncmp(text, "socket:", strlen("socket:")))
		return (size_t)n;
	length = socket_text(pidfd, fd, text);
	return length > 0 ? (size_t)MIN(length, FD_TARGET_MAX_BYTES - 1) : (size_t)n;
}
