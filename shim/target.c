/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Target: what a descriptor leads to, for people
 *
 * A socket by its peer ("127.0.0.1:5432", "[::1]:443", "unix:/run/x.sock"), anything else as the
 * kernel names it in /proc/self/fd (a path, "pipe:[123]"). Asked only after a call was slow, by the
 * thread that made it; opens nothing and reads no contents.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/defs.h"
#include "intern.h"
#include "target.h"

#define TARGET_MAX_BYTES 512

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
		return snprintf(text, TARGET_MAX_BYTES, "unix socket");
	/* An abstract name begins with NUL, and is written with an @ for it. */
	if (!un->sun_path[0])
		return snprintf(text, TARGET_MAX_BYTES, "unix:@%.*s", (int)path_bytes - 1,
				un->sun_path + 1);
	return snprintf(text, TARGET_MAX_BYTES, "unix:%.*s", (int)strnlen(un->sun_path, path_bytes),
			un->sun_path);
}

/* Return: the length of the text; 0 when the descriptor is no socket that has a peer. */
static int peer_text(int fd, char *text)
{
	union address peer;
	socklen_t length = sizeof(peer);
	char host[INET6_ADDRSTRLEN];

	if (getpeername(fd, &peer.any, &length))
		return 0;
	if (peer.any.sa_family == AF_UNIX)
		return unix_text(&peer.un, MIN(length, (socklen_t)sizeof(peer.un)), text);
	if (peer.any.sa_family == AF_INET &&
	    inet_ntop(AF_INET, &peer.in.sin_addr, host, sizeof(host)))
		return snprintf(text, TARGET_MAX_BYTES, "%s:%u", host, ntohs(peer.in.sin_port));
	if (peer.any.sa_family == AF_INET6 &&
	    inet_ntop(AF_INET6, &peer.in6.sin6_addr, host, sizeof(host)))
		return snprintf(text, TARGET_MAX_BYTES, "[%s]:%u", host, ntohs(peer.in6.sin6_port));
	return 0;
}

static int path_text(int fd, char *text)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, text, TARGET_MAX_BYTES);
	return n > 0 ? (int)n : 0;
}

/* Return: the text's offset in the arena; ARENA_NONE for what is no open descriptor. */
_hidden_ uint32_t target_of_fd(int fd)
{
	char text[TARGET_MAX_BYTES];
	int length;

	if (fd < 0)
		return 0;
	length = peer_text(fd, text);
	if (length <= 0)
		length = path_text(fd, text);
	return intern(text, (size_t)MIN(length, TARGET_MAX_BYTES - 1));
}
