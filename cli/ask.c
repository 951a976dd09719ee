/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ask: a question to the daemon of this host
 *
 * At the socket that is given, else at LOOPHOUND_SOCKET, else where a daemon of this user listens,
 * else where root's does. The answer is a memfd of JSON, read into the model.
 */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ask.h"
#include "cli.h"
#include "load.h"
#include "wire/region.h"

/* A daemon with hundreds of processes takes some tens of ms. */
#define ASK_TIMEOUT_MS 10000

static int ask_connect(const char *path)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return TAKE_FD(fd);
}

/* Return: a connected socket, or -1, having said why there is none. */
static int ask_find(const char *given)
{
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
	char user[128];
	int fd;

	if (!given)
		given = getenv("LOOPHOUND_SOCKET");
	if (given && *given) {
		fd = ask_connect(given);
		if (fd < 0)
			cli_say("no daemon answers at %s: %s", given, strerror(-fd));
		return fd < 0 ? -1 : fd;
	}
	if (runtime_dir && *runtime_dir == '/')
		snprintf(user, sizeof(user), "%.100s/loophound/socket", runtime_dir);
	else
		snprintf(user, sizeof(user), HELLO_SOCKET_USER, geteuid());
	fd = geteuid() ? ask_connect(user) : -ENOENT;
	if (fd < 0)
		fd = ask_connect(HELLO_SOCKET_SYSTEM);
	if (fd < 0)
		cli_say("no loophoundd runs here; start it, or give recordings or --socket");
	return fd < 0 ? -1 : fd;
}

static int ask_receive(int sock_fd, struct answer *ret_answer, int *ret_fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {.iov_base = ret_answer, .iov_len = sizeof(*ret_answer)};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct pollfd pfd = {.fd = sock_fd, .events = POLLIN};
	struct cmsghdr *c;

	if (poll(&pfd, 1, ASK_TIMEOUT_MS) <= 0)
		return -ETIMEDOUT;
	if (recvmsg(sock_fd, &message, MSG_CMSG_CLOEXEC) != sizeof(*ret_answer) ||
	    ret_answer->magic != REQUEST_MAGIC)
		return -EPROTO;
	ret_answer->text[sizeof(ret_answer->text) - 1] = '\0';
	c = CMSG_FIRSTHDR(&message);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(c), sizeof(*ret_fd));
	return 0;
}

static int ask_load(int fd, struct pool *pool, struct report *ret_report)
{
	json_error_t error;
	json_t *json;
	int r;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	json = json_loadfd(fd, 0, &error);
	if (!json)
		return -EBADMSG;
	r = load_report(json, pool, ret_report);
	json_decref(json);
	return r;
}

/*
 * Ask, and say why when there is no answer.
 *
 * Return: 0, or the exit status.
 */
int ask_daemon(const char *socket_path, enum request_verb verb, struct pool *pool,
	       struct report *ret_report)
{
	struct request request = {.magic = REQUEST_MAGIC, .version = WIRE_VERSION, .verb = verb};
	_cleanup_close_ int sock_fd = ask_find(socket_path), fd = -1;
	struct answer answer;
	int r = 0;

	if (sock_fd < 0)
		return CLI_EXIT_NO_JOB;
	if (send(sock_fd, &request, sizeof(request), MSG_NOSIGNAL) != sizeof(request))
		r = -errno;
	if (!r)
		r = ask_receive(sock_fd, &answer, &fd);
	if (!r && answer.status != ANSWER_OK) {
		cli_say("the daemon refuses: %s", answer.text);
		return CLI_EXIT_NO_JOB;
	}
	if (!r)
		r = fd < 0 ? -EPROTO : ask_load(fd, pool, ret_report);
	if (r) {
		cli_say("the daemon's answer makes no sense: %s", strerror(-r));
		return CLI_EXIT_NO_JOB;
	}
	return 0;
}
