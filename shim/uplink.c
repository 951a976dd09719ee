/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uplink: how what was seen leaves the process
 *
 * The region's memfd goes to the daemon with one message on a socket, which stays open so that the
 * daemon learns of our end. Nothing here waits: connect() to a Unix socket answers at once, the
 * socket is non-blocking, and an answer is looked at by the watchdog when it comes round.
 *
 * The first connection is made when the watch opens, in the program's descriptor table, and lasts.
 * A daemon that comes later, or comes again, is found by the watchdog, whose table is its own: such
 * a connection ends with the watchdog over a fork and is made anew after it. The daemon sees that
 * the process still has the region mapped, and takes it back when it says hello again.
 *
 * While no daemon has taken us, and LOOPHOUND_DIR is given, the watchdog drains the ring itself,
 * into a recording.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/kernel.h"
#include "config.h"
#include "private-fd.h"
#include "record.h"
#include "uplink.h"
#include "watch.h"
#include "wire/hello.h"

#define RETRY_NS (250 * NSEC_PER_MSEC)
/* A daemon that refuses us does so for good, as far as this version goes; another may follow it. */
#define REFUSED_RETRY_NS (30 * NSEC_PER_SEC)

/* The connection made when the watch opened, in the program's table. */
static struct fd_mark first_socket = FD_MARK_NONE;

/* The watchdog's: its copy of the first one, or one it has made. */
static struct fd_mark socket_mark = FD_MARK_NONE;
static bool is_accepted; /* the daemon has said that it has us */
static bool is_private;	 /* the watchdog may open descriptors */
static nsec_t next_try_ns;

static int uplink_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(path);
	int fd;

	if (!length || length >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, length);
	fd = (int)kernel_call(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
			      0);
	if (fd >= 0 && kernel_call(SYS_connect, fd, &address, sizeof(address)) < 0) {
		kernel_call(SYS_close, fd);
		return -1;
	}
	return fd;
}

static void user_socket(char *path, size_t path_bytes)
{
	snprintf(path, path_bytes, HELLO_SOCKET_USER, (unsigned int)kernel_call(SYS_getuid));
}

static int uplink_connect_any(void)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	int fd;

	if (*config.socket)
		return uplink_connect(config.socket);
	fd = uplink_connect(HELLO_SOCKET_SYSTEM);
	if (fd >= 0)
		return fd;
	user_socket(path, sizeof(path));
	return uplink_connect(path);
}

static bool hello_send(int socket_fd)
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
	return kernel_call(SYS_sendmsg, socket_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) ==
	       (long)sizeof(hello);
}

/* Tell a daemon that we are here. Return: the connection; -1 when there is none to tell. */
static int uplink_hello(void)
{
	int fd = uplink_connect_any();

	if (fd >= 0 && !hello_send(fd)) {
		kernel_call(SYS_close, fd);
		return -1;
	}
	return fd;
}

/* Whether there is anybody to tell before a loop runs: then the watch opens with the process. */
_hidden_ bool uplink_is_wanted(void)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

	if (*config.socket || *config.dir || !access(HELLO_SOCKET_SYSTEM, F_OK))
		return true;
	user_socket(path, sizeof(path));
	return !access(path, F_OK);
}

/*
 * By the constructor, or by the first loop of a process that had nobody to tell until then. Needs
 * an open watch; there is no watchdog yet.
 */
_hidden_ void uplink_open(void)
{
	int fd = first_socket.fd < 0 ? uplink_hello() : -1;

	if (fd >= 0)
		fd_mark_take(&first_socket, fd_move_high(fd));
}

/*
 * The watchdog begins: it gets a descriptor table with nothing but our two in it.
 *
 * Return: false when it may not open any others.
 */
_hidden_ bool uplink_enter(void)
{
	bool has_region = fd_mark_holds(&watch.region_mark);
	bool has_socket = fd_mark_holds(&first_socket);
	int region_fd = has_region ? watch.region_mark.fd : -1;
	int socket_fd = has_socket ? first_socket.fd : -1;
	int kept_fds[] = {MIN(region_fd, socket_fd), MAX(region_fd, socket_fd)};

	if (!has_region || (!has_socket && first_socket.fd >= 0))
		watch_lost(LOSS_FD_CLOSED);
	is_private = private_fd_table(kept_fds, ARRAY_LEN(kept_fds));
	socket_mark = has_socket ? first_socket : (struct fd_mark)FD_MARK_NONE;
	is_accepted = false;
	next_try_ns = has_region && is_private ? 0 : UINT64_MAX;
	return is_private;
}

/* The watchdog ends: its table goes with it. */
_hidden_ void uplink_leave(void)
{
	if (is_private && socket_mark.fd >= 0)
		kernel_call(SYS_close, socket_mark.fd);
	socket_mark = (struct fd_mark)FD_MARK_NONE;
}

/* Has the daemon answered, or gone? */
static void uplink_listen(nsec_t now_ns)
{
	struct answer answer;
	long n = kernel_call(SYS_recvfrom, socket_mark.fd, &answer, sizeof(answer), MSG_DONTWAIT);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n == (long)sizeof(answer) && answer.magic == HELLO_MAGIC &&
	    answer.status == ANSWER_OK) {
		is_accepted = true;
		return;
	}
	/* In the program's own table it stays: its number is not ours to give away there. */
	if (is_private)
		kernel_call(SYS_close, socket_mark.fd);
	socket_mark = (struct fd_mark)FD_MARK_NONE;
	is_accepted = false;
	if (is_private && next_try_ns != UINT64_MAX)
		next_try_ns = now_ns + (n > 0 ? REFUSED_RETRY_NS : 0);
}

/* What the watchdog does each time it is awake. now_ns: any clock that only goes forward. */
_hidden_ void uplink_tend(nsec_t now_ns)
{
	if (socket_mark.fd >= 0)
		uplink_listen(now_ns);
	if (socket_mark.fd < 0 && now_ns >= next_try_ns) {
		int fd = uplink_hello();

		next_try_ns = now_ns + RETRY_NS;
		if (fd >= 0)
			fd_mark_take(&socket_mark, fd);
	}
	if (is_accepted)
		record_hand_over();
	else if (socket_mark.fd < 0 && is_private)
		record_drain(now_ns);
}

/* The process ends: a recording is brought up to date; a daemon needs no help. */
_hidden_ void uplink_finish(void)
{
	if (socket_mark.fd < 0 && (is_private || first_socket.fd < 0))
		record_end();
}

/* In a fork child: the connection was the parent's. */
_hidden_ void uplink_forget(void)
{
	if (fd_mark_holds(&first_socket))
		kernel_call(SYS_close, first_socket.fd);
	first_socket = (struct fd_mark)FD_MARK_NONE;
	socket_mark = (struct fd_mark)FD_MARK_NONE;
	is_accepted = false;
	is_private = false;
	record_forget();
}

/* Whether the program is about to close a descriptor of ours. Keeps errno: nothing fails here. */
_hidden_ bool uplink_owns_fd(int fd)
{
	if (fd < 0)
		return false;
	return (fd == first_socket.fd && fd_mark_holds(&first_socket)) ||
	       (fd == watch.region_mark.fd && fd_mark_holds(&watch.region_mark));
}
