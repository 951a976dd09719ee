/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Target: what a call was made on, for people
 *
 * A socket by its peer ("127.0.0.1:5432", "[::1]:443", "unix:/run/x.sock"), or by its own address
 * where it has none (a listener); any other descriptor as the kernel names it in /proc/self/fd (a
 * path, "pipe:[123]"); a path as the program gave it; a host with its service; a child with what it
 * runs; a lock by the thread that had it, or
 * by its address. Asked only when a call is told of, by the thread that made it; opens
 * nothing and reads no contents. What the program's pointers lead to is read through the kernel:
 * the call may have failed because they lead nowhere.
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

#define TARGET_MAX_BYTES  512
#define HOST_MAX_BYTES	  256
#define SERVICE_MAX_BYTES 64
/* The smallest page of any machine: what lies in one is mapped as a whole. */
#define PAGE_BYTES 4096

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

/* Return: the length of the text; 0 when it is no address that we can write. */
static int address_text(const union address *address, socklen_t length, char *text)
{
	char host[INET6_ADDRSTRLEN];

	if (length < sizeof(address->any.sa_family))
		return 0;
	if (address->any.sa_family == AF_UNIX)
		return unix_text(&address->un, MIN(length, (socklen_t)sizeof(address->un)), text);
	if (address->any.sa_family == AF_INET && length >= sizeof(address->in) &&
	    inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof(host)))
		return snprintf(text, TARGET_MAX_BYTES, "%s:%u", host, ntohs(address->in.sin_port));
	if (address->any.sa_family == AF_INET6 && length >= sizeof(address->in6) &&
	    inet_ntop(AF_INET6, &address->in6.sin6_addr, host, sizeof(host)))
		return snprintf(text, TARGET_MAX_BYTES, "[%s]:%u", host,
				ntohs(address->in6.sin6_port));
	return 0;
}

/* Return: as address_text(); 0 as well when the descriptor is no socket. */
static int socket_text(int fd, char *text)
{
	union address address;
	socklen_t length = sizeof(address);

	if (!getpeername(fd, &address.any, &length))
		return address_text(&address, length, text);
	length = sizeof(address);
	if (getsockname(fd, &address.any, &length))
		return 0;
	return address_text(&address, length, text);
}

static int fd_path(int fd, char *text, size_t room_bytes)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = REAL(readlink)(link, text, room_bytes);
	return n > 0 ? (int)n : 0;
}

static int fd_text(int fd, char *text)
{
	int length = fd < 0 ? 0 : socket_text(fd, text);

	return length > 0 || fd < 0 ? length : fd_path(fd, text, TARGET_MAX_BYTES);
}

/* A string of the program's. Return: its length, cut to the room; 0 for none. */
static int string_read(const void *from, char *buf, size_t room_bytes)
{
	uint64_t raddr = (uint64_t)(uintptr_t)from;
	size_t n = 0;

	while (n < room_bytes - 1) {
		size_t part = MIN(PAGE_BYTES - (raddr + n) % PAGE_BYTES, room_bytes - 1 - n);
		size_t length;

		if (mem_read(&watch.remote, raddr + n, buf + n, part))
			break;
		length = strnlen(buf + n, part);
		n += length;
		if (length < part)
			break;
	}
	buf[n] = '\0';
	return (int)n;
}

/* One that starts from a directory is written behind that directory's own path. */
static int path_text(const struct call_about *about, char *text)
{
	char path[TARGET_MAX_BYTES];
	int n = 0, length = string_read(about->what, path, sizeof(path));

	if (about->fd >= 0 && length && path[0] != '/')
		n = fd_path(about->fd, text, TARGET_MAX_BYTES / 2);
	return n + snprintf(text + n, (size_t)(TARGET_MAX_BYTES - n), "%s%s", n ? "/" : "", path);
}

static int host_text(const struct call_about *about, char *text)
{
	char host[HOST_MAX_BYTES], service[SERVICE_MAX_BYTES];
	int length = string_read((const void *)about->more, service, sizeof(service));

	string_read(about->what, host, sizeof(host));
	return snprintf(text, TARGET_MAX_BYTES, "%s%s%s", host, length ? ":" : "", service);
}

static int named_address_text(const struct call_about *about, char *text)
{
	union address address;
	socklen_t length = (socklen_t)MIN(about->more, sizeof(address));

	memset(&address, 0, sizeof(address));
	if (!about->what || !length ||
	    mem_read(&watch.remote, (uint64_t)(uintptr_t)about->what, &address, length))
		return fd_text(about->fd, text);
	return address_text(&address, length, text);
}

static int child_text(const struct call_about *about, char *text)
{
	const char *program = about->what;
	int pid = (int)about->more;

	if (pid <= 0)
		return 0;
	return snprintf(text, TARGET_MAX_BYTES, program ? "child %d (%s)" : "child %d", pid,
			program);
}

/* A number tells people more than an address; the same lock may be had by another next time. */
static int lock_text(const struct call_about *about, char *text)
{
	if (about->fd < -1)
		return snprintf(text, TARGET_MAX_BYTES, "lock of thread %d", -1 - about->fd);
	return snprintf(text, TARGET_MAX_BYTES, "lock %p", about->what);
}

static int about_text(const struct call_about *about, char *text)
{
	switch (about->subject) {
	case SUBJECT_FD:
		return fd_text(about->fd, text);
	case SUBJECT_STREAM:
		return fd_text(fileno((FILE *)about->what), text);
	case SUBJECT_PATH:
		return path_text(about, text);
	case SUBJECT_ADDRESS:
		return named_address_text(about, text);
	case SUBJECT_HOST:
		return host_text(about, text);
	case SUBJECT_CHILD:
		return child_text(about, text);
	case SUBJECT_LOCK:
		return lock_text(about, text);
	case SUBJECT_SLEEP:
	case SUBJECT_NONE:
		break;
	}
	return 0;
}

/* Return: the text's offset in the arena; ARENA_NONE for what has no name. */
_hidden_ uint32_t target_of(const struct call_about *about)
{
	char text[TARGET_MAX_BYTES];
	int length = about_text(about, text);

	return intern(text, (size_t)MIN(MAX(length, 0), TARGET_MAX_BYTES - 1));
}
