/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listen
 *
 * A socket file that nobody answers on is left over from a daemon that was killed, and is
 * replaced. One that somebody answers on is theirs. The file is made under the final mode: no
 * moment in between when the wrong ones could connect.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"
#include "daemon.h"
#include "listen.h"
#include "log.h"

/* Workers of a large service start together. */
#define LISTEN_BACKLOG 512

static int listen_dispatch(struct source *source, uint32_t events)
{
	struct daemon *daemon =
		(struct daemon *)((char *)source - offsetof(struct daemon, listener));
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int r;

	(void)events;
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			log_line("cannot accept a connection: %s", strerror(errno));
		return 0;
	}
	r = client_new_take_fd(daemon, fd);
	if (r)
		daemon->lost.n[LOST_WATCHES]++;
	if (r < 0)
		log_line("cannot take a connection: %s", strerror(-r));
	return 0;
}

static int listen_is_answered(const struct sockaddr_un *address)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	return fd >= 0 && !connect(fd, (const struct sockaddr *)address, sizeof(*address));
}

static int listen_bind(int fd, const struct sockaddr_un *address, mode_t mode)
{
	mode_t old = umask(~mode & 0777);
	int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) ? -errno : 0;

	umask(old);
	return r;
}

/*
 * Listen at path, for those whom mode lets in.
 *
 * Return: 0, an enum listen_result, or a negative errno.
 */
int listen_open(struct daemon *daemon, const char *path, mode_t mode)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int r;

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path))
		return LISTEN_E_LONG;
	strcpy(address.sun_path, path);
	r = listen_bind(fd, &address, mode);
	if (r == -EADDRINUSE) {
		if (listen_is_answered(&address))
			return LISTEN_E_TAKEN;
		unlink(path);
		r = listen_bind(fd, &address, mode);
	}
	if (r)
		return r;
	daemon->socket_path = strdup(path);
	if (!daemon->socket_path || listen(fd, LISTEN_BACKLOG)) {
		unlink(path);
		return daemon->socket_path ? -errno : -ENOMEM;
	}
	daemon->listener = (struct source){.fd = TAKE_FD(fd), .dispatch = listen_dispatch};
	return daemon_add_source(daemon, &daemon->listener);
}

/* Also removes the socket file. */
void listen_close(struct daemon *daemon)
{
	if (daemon->listener.fd >= 0)
		close(daemon->listener.fd);
	daemon->listener.fd = -1;
	if (daemon->socket_path)
		unlink(daemon->socket_path);
	free(daemon->socket_path);
	daemon->socket_path = NULL;
}
