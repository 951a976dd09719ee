/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control: the answer to a command that asks
 *
 * One message with a memfd of JSON: however long the report is, the daemon never waits for the one
 * who reads it. The memfd is sealed, so that the reader can map it or take its size for granted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "json.h"
#include "log.h"
#include "snapshot.h"
#include "wire/hello.h"

static int control_json(struct daemon *daemon, uint32_t verb, int fd)
{
	_cleanup_(report_deinit) struct report report = REPORT_INIT;
	int r = snapshot_take(daemon, &report);

	if (r)
		return r;
	return json_write_fd(fd, &report, verb == REQUEST_STATUS);
}

static int control_send(int sock_fd, struct answer *answer, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {.iov_base = answer, .iov_len = sizeof(*answer)};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *c = (struct cmsghdr *)control;

		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(sock_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Answer a request, enum request_verb. Return: 0, or a negative errno: the client is done with. */
int control_answer(struct daemon *daemon, int sock_fd, uint32_t verb)
{
	_cleanup_close_ int fd = -1;
	struct answer answer = {.magic = REQUEST_MAGIC, .version = WIRE_VERSION};
	int r;

	if (verb != REQUEST_STATUS && verb != REQUEST_REPORT) {
		answer.status = ANSWER_REFUSED;
		snprintf(answer.text, sizeof(answer.text), "this daemon does not know request %u",
			 verb);
		return control_send(sock_fd, &answer, -1);
	}
	fd = memfd_create("loophound-answer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	r = fd < 0 ? -errno : control_json(daemon, verb, fd);
	if (!r && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		r = -errno;
	if (r) {
		log_line("cannot answer a request: %s", strerror(-r));
		return r;
	}
	return control_send(sock_fd, &answer, fd);
}
