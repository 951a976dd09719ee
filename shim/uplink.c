/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uplink: how what was seen leaves the process
 *
 * The region's memfd goes to the daemon with one message on a socket, which stays open so that the
 * daemon learns of our end. Nothing here waits: connect() to a Unix socket answers at once, the
 * socket is non-blocking, and an answer is looked at by the watchdog when it comes round. A daemon
 * that is not there yet, or is there again, is found at the next try; it takes over the ring where
 * it stands. While there is none, and LOOPHOUND_DIR is given, the watchdog itself drains the ring
 * into a recording.
 *
 * Called by the constructor (the only thread then), the watchdog, and the thread that exits.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "uplink.h"
#include "record.h"
#include "watch.h"
#include "wire/hello.h"

#define RETRY_NS (250 * NSEC_PER_MSEC)
/* A daemon that refuses us does so for good, as far as this version goes; another may follow it. */
#define REFUSED_RETRY_NS (30 * NSEC_PER_SEC)

static struct fd_mark socket_mark = FD_MARK_NONE;
static nsec_t next_try_ns;

static bool uplink_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(path);
	int fd;

	if (!length || length >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, path, length);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	if (REAL(connect)(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		REAL(close)(fd);
		return false;
	}
	fd_mark_take(&socket_mark, fd_move_high(fd));
	return true;
}

static void uplink_close(void)
{
	if (fd_mark_holds(&socket_mark))
		REAL(close)(socket_mark.fd);
	socket_mark = (struct fd_mark)FD_MARK_NONE;
}

static bool uplink_connect_any(void)
{
	const char *given = getenv("LOOPHOUND_SOCKET");
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

	if (given && *given)
		return uplink_connect(given);
	if (uplink_connect(HELLO_SOCKET_SYSTEM))
		return true;
	snprintf(path, sizeof(path), HELLO_SOCKET_USER, (unsigned int)getuid());
	return uplink_connect(path);
}

static bool hello_send(void)
{
	struct hello hello = {
		.magic = HELLO_MAGIC,
		.version = WIRE_VERSION,
		.pid = (uint32_t)watch.pid,
		.region_bytes = REGION_BYTES,
	};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {.iov_base = &hello, .iov_len = sizeof(hello)};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &watch.region_mark.fd, sizeof(int));
	return REAL(sendmsg)(socket_mark.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) ==
	       (ssize_t)sizeof(hello);
}

/* Whether there is anybody to tell before a loop runs: then the watch opens with the process. */
_hidden_ bool uplink_is_wanted(void)
{
	const char *given = getenv("LOOPHOUND_SOCKET");
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

	if (given && *given)
		return true;
	if (getenv("LOOPHOUND_DIR") || !access(HELLO_SOCKET_SYSTEM, F_OK))
		return true;
	snprintf(path, sizeof(path), HELLO_SOCKET_USER, (unsigned int)getuid());
	return !access(path, F_OK);
}

/* Tell a daemon that we are here, if there is one. Needs an open watch. */
_hidden_ void uplink_try(void)
{
	if (!fd_mark_holds(&watch.region_mark)) {
		watch_lost(LOSS_FD_CLOSED);
		watch.region_mark = (struct fd_mark)FD_MARK_NONE;
		next_try_ns = UINT64_MAX;
		return;
	}
	if (uplink_connect_any() && !hello_send())
		uplink_close();
}

/* Has the daemon answered, or gone? */
static void uplink_listen(nsec_t now_ns)
{
	struct answer answer;
	ssize_t n;

	if (!fd_mark_holds(&socket_mark)) {
		watch_lost(LOSS_FD_CLOSED);
		socket_mark = (struct fd_mark)FD_MARK_NONE;
		return;
	}
	n = REAL(recv)(socket_mark.fd, &answer, sizeof(answer), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == (ssize_t)sizeof(answer) && answer.status == ANSWER_OK)
		return;
	uplink_close();
	next_try_ns = now_ns + (n > 0 ? REFUSED_RETRY_NS : 0);
}

/* What the watchdog does each time it is awake. now_ns: any clock that only goes forward. */
_hidden_ void uplink_tend(nsec_t now_ns)
{
	if (socket_mark.fd >= 0)
		uplink_listen(now_ns);
	if (socket_mark.fd < 0 && now_ns >= next_try_ns) {
		next_try_ns = now_ns + RETRY_NS;
		uplink_try();
	}
	if (socket_mark.fd >= 0)
		record_end();
	else
		record_drain(now_ns);
}

/* The process ends: a recording is brought up to date; a daemon needs no help. */
_hidden_ void uplink_exit(void)
{
	if (watch_is_open() && socket_mark.fd < 0 && getpid() == watch.pid)
		record_end();
}

/* In a fork child: the connection was the parent's. */
_hidden_ void uplink_forget(void)
{
	uplink_close();
	record_forget();
	next_try_ns = 0;
}

/* Whether the program is about to close a descriptor of ours. Keeps errno: nothing fails here. */
_hidden_ bool uplink_owns_fd(int fd)
{
	if (fd < 0)
		return false;
	return (fd == socket_mark.fd && fd_mark_holds(&socket_mark)) ||
	       (fd == watch.region_mark.fd && fd_mark_holds(&watch.region_mark)) ||
	       record_owns_fd(fd);
}
