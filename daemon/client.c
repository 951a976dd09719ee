/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client: one connection
 *
 * Its first message says what it is: a hello with the memfd of a region, or a request. Everything
 * about it is checked here, and who it is the kernel says (SO_PEERCRED). A process that is watched
 * says nothing more; its connection ends with it, which is how its end is noticed. What does not
 * fit is answered where there is somebody to read it, logged in one line, and closed: a bad client
 * never costs more than its connection.
 *
 * A connection can also end while the process lives: it became another program by exec, or it
 * closed every descriptor it had, ours among them. In the second case its region is still mapped,
 * and it goes on being watched until it ends or says hello again.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "control.h"
#include "daemon.h"
#include "log.h"
#include "proc.h"
#include "wire/hello.h"

/* Each costs a descriptor and, when watched, 3 MiB of address space. */
#define CLIENT_MAX	   2048
#define CLIENT_MAX_OF_USER 1024
/* A shim says hello at once. Whoever says nothing for this long is not one. */
#define CLIENT_HELLO_TIMEOUT (10 * NSEC_PER_SEC)

struct client {
	struct source source;
	struct daemon *daemon;
	struct client *next;
	struct ucred peer;
	nsec_t connected_ns;
	struct watch *watch; /* the daemon's */
	bool is_done;	     /* its process is known to have ended, or to have come back */
};

static uint32_t clients_of(const struct daemon *daemon, uid_t uid)
{
	uint32_t n = 0;

	for (const struct client *client = daemon->clients; client; client = client->next)
		n += client->peer.uid == uid;
	return n;
}

static void client_unlink(struct client *client)
{
	for (struct client **at = &client->daemon->clients; *at; at = &(*at)->next)
		if (*at == client) {
			*at = client->next;
			client->daemon->n_clients--;
			return;
		}
}

/* Return: NULL */
struct client *client_free(struct client *client)
{
	if (!client)
		return NULL;
	client_unlink(client);
	daemon_remove_source(client->daemon, &client->source);
	close(client->source.fd);
	free(client);
	return NULL;
}

static void client_answer(struct client *client, uint64_t magic, enum answer_status status,
			  const char *text)
{
	struct answer answer = {.magic = magic, .version = WIRE_VERSION, .status = status};

	snprintf(answer.text, sizeof(answer.text), "%s", text);
	send(client->source.fd, &answer, sizeof(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void client_refuse(struct client *client, uint64_t magic, enum answer_status status,
			  const char *text)
{
	client->daemon->lost.n[status == ANSWER_VERSION ? LOST_VERSIONS : LOST_WATCHES]++;
	log_line("pid %d refused: %s", client->peer.pid, text);
	client_answer(client, magic, status, text);
}

/* The same process under its old region: it had closed our socket, and says hello again. */
static struct watch *client_find_watch(struct client *client, uint64_t inode)
{
	for (struct watch *watch = client->daemon->watches; watch; watch = watch->next)
		if (watch->inode == inode && watch->pid == client->peer.pid)
			return watch;
	return NULL;
}

/* No connection stands for this watch any more. */
void client_forget_watch(struct daemon *daemon, const struct watch *watch)
{
	for (struct client *client = daemon->clients; client; client = client->next)
		if (client->watch == watch) {
			client->watch = NULL;
			client->is_done = true;
		}
}

static void client_adopt(struct client *client, struct watch *watch)
{
	client_forget_watch(client->daemon, watch);
	watch->is_orphan = false;
	client->watch = watch;
}

static const char *watch_complaint(int r)
{
	switch (r) {
	case WATCH_E_UNSEALED:
		return "its memory is not sealed against shrinking";
	case WATCH_E_SIZE:
		return "its memory has another size";
	case WATCH_E_MAGIC:
		return "its memory is no region of loophound";
	default:
		return strerror(r < 0 ? -r : EPROTO);
	}
}

static void version_text(uint32_t theirs, char *buf, size_t buf_bytes)
{
	snprintf(buf, buf_bytes,
		 "its libloophound.so speaks wire version %u and this daemon version %u: install "
		 "the same release of both",
		 theirs, WIRE_VERSION);
}

static int client_hello(struct client *client, const struct hello *hello, int region_fd)
{
	struct watch *watch = NULL, *known;
	char text[200];
	struct stat st;
	int r;

	client->daemon->n_hellos++;
	if (hello->version != WIRE_VERSION) {
		version_text(hello->version, text, sizeof(text));
		client_refuse(client, HELLO_MAGIC, ANSWER_VERSION, text);
		return -EPROTO;
	}
	if (region_fd < 0 || fstat(region_fd, &st)) {
		client_refuse(client, HELLO_MAGIC, ANSWER_REFUSED, "it came without its memory");
		return -EBADMSG;
	}
	known = client_find_watch(client, st.st_ino);
	if (known) {
		client_adopt(client, known);
		client_answer(client, HELLO_MAGIC, ANSWER_OK, "");
		return 0;
	}
	r = watch_new_map(client->daemon->names, region_fd, &watch);
	if (r) {
		client_refuse(client, HELLO_MAGIC, ANSWER_REFUSED, watch_complaint(r));
		return -EBADMSG;
	}
	watch->uid = client->peer.uid;
	watch_identify(watch, client->peer.pid, &client->daemon->config.own);
	daemon_link_watch(client->daemon, watch);
	client->watch = watch;
	client_answer(client, HELLO_MAGIC, ANSWER_OK, "");
	return 0;
}

/* Whoever may see one process of a user may not see all of everybody's. */
static bool client_may_ask(const struct client *client)
{
	return !client->peer.uid || client->peer.uid == geteuid();
}

static int client_request(struct client *client, const struct request *request)
{
	char text[200];

	if (request->version != WIRE_VERSION) {
		snprintf(text, sizeof(text),
			 "this command speaks wire version %u and the daemon version %u: install "
			 "the same release of both",
			 request->version, WIRE_VERSION);
		client_answer(client, REQUEST_MAGIC, ANSWER_VERSION, text);
		return -EPROTO;
	}
	if (!client_may_ask(client)) {
		client_answer(client, REQUEST_MAGIC, ANSWER_REFUSED,
			      "only root may ask root's daemon: it knows every user's processes");
		return -EPERM;
	}
	return control_answer(client->daemon, client->source.fd, request->verb);
}

/* The descriptor that came with a message; others, which nobody sends, are closed. */
static int message_take_fd(struct msghdr *message)
{
	int kept_fd = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (kept_fd < 0)
				kept_fd = fd;
			else
				close(fd);
		}
	}
	return kept_fd;
}

union message {
	uint64_t magic;
	struct hello hello;
	struct request request;
	char room[64]; /* a longer message is cut, and then is none of ours */
};

/* Return: its length, 0 at the end of the connection, or a negative errno. */
static ssize_t message_receive(int sock_fd, union message *ret_message, int *ret_fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
	struct iovec iov = {.iov_base = ret_message, .iov_len = sizeof(*ret_message)};
	struct msghdr header = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(sock_fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return -errno;
	*ret_fd = message_take_fd(&header);
	return header.msg_flags & MSG_TRUNC ? -EMSGSIZE : n;
}

static int client_take(struct client *client, const union message *message, ssize_t n, int fd)
{
	if (!client->watch && n == sizeof(struct hello) && message->magic == HELLO_MAGIC)
		return client_hello(client, &message->hello, fd);
	if (!client->watch && n == sizeof(struct request) && message->magic == REQUEST_MAGIC)
		return client_request(client, &message->request);
	client->daemon->lost.n[LOST_WATCHES]++;
	log_line("pid %d sent a message that makes no sense: connection closed", client->peer.pid);
	return -EBADMSG;
}

/* The connection of a watched process is gone: is the process, too? */
static void client_hangup(struct client *client)
{
	struct watch *watch = client->watch;
	bool has_ended;

	client->watch = NULL;
	if (!watch)
		return;
	has_ended = proc_has_ended(watch->pidfd);
	if (!has_ended && proc_maps_region(watch->pid, watch->inode)) {
		watch->is_orphan = true;
		return;
	}
	/* While it dies its memory goes first, then its descriptors, then its pid. */
	if (!has_ended && watch->pidfd >= 0)
		has_ended = proc_is_dying(watch->pid);
	daemon_end_watch(client->daemon, watch, has_ended);
}

static int client_dispatch(struct source *source, uint32_t events)
{
	struct client *client = (struct client *)((char *)source - offsetof(struct client, source));
	union message message = {0};
	_cleanup_close_ int fd = -1;
	ssize_t n = 0;

	if (events & EPOLLIN)
		n = message_receive(source->fd, &message, &fd);
	if (n == -EAGAIN)
		return 0;
	if (n > 0 && !client_take(client, &message, n, fd))
		return 0;
	if (n == -EMSGSIZE) {
		client->daemon->lost.n[LOST_WATCHES]++;
		log_line("pid %d sent a message that is too long: connection closed",
			 client->peer.pid);
	}
	client_hangup(client);
	client_free(client);
	return 0;
}

/*
 * The connection is the client's, and closed on failure.
 *
 * Return: 0, CLIENT_E_MANY, or a negative errno.
 */
int client_new_take_fd(struct daemon *daemon, int sock_fd)
{
	_cleanup_close_ int fd = sock_fd;
	socklen_t length = sizeof(struct ucred);
	struct client *client;
	struct ucred peer;
	int r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length))
		return -errno;
	if (daemon->n_clients >= CLIENT_MAX || clients_of(daemon, peer.uid) >= CLIENT_MAX_OF_USER) {
		log_line("pid %d refused: too many connections", peer.pid);
		return CLIENT_E_MANY;
	}
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->source = (struct source){.fd = fd, .dispatch = client_dispatch};
	client->daemon = daemon;
	client->peer = peer;
	client->connected_ns = clock_monotonic();
	r = daemon_add_source(daemon, &client->source);
	if (r) {
		free(client);
		return r;
	}
	TAKE_FD(fd);
	client->next = daemon->clients;
	daemon->clients = client;
	daemon->n_clients++;
	return 0;
}

/* Close connections that never said what they are. */
void client_expire(struct daemon *daemon, nsec_t now_ns)
{
	struct client *next;

	for (struct client *client = daemon->clients; client; client = next) {
		next = client->next;
		if (!client->watch &&
		    (client->is_done || now_ns - client->connected_ns > CLIENT_HELLO_TIMEOUT))
			client_free(client);
	}
}
