/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon at its socket: those who are watched, those who ask, and those who make no sense */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/defs.h"
#include "daemon.h"
#include "fake-watch.h"
#include "listen.h"
#include "proc.h"
#include "wire/hello.h"

struct scene {
	struct daemon *daemon;
	char dir[32];
	char path[48];
};

static int scene_open(void **state)
{
	struct daemon_config config = {.options = {.kinds = KIND_MASK_ALL}};
	struct scene *scene = calloc(1, sizeof(*scene));

	strcpy(scene->dir, "/tmp/test-daemon-XXXXXX");
	assert_non_null(mkdtemp(scene->dir));
	snprintf(scene->path, sizeof(scene->path), "%s/socket", scene->dir);
	assert_int_equal(daemon_new(&config, &scene->daemon), 0);
	assert_int_equal(listen_open(scene->daemon, scene->path, 0600), 0);
	*state = scene;
	return 0;
}

static int scene_close(void **state)
{
	struct scene *scene = *state;

	daemon_free(scene->daemon);
	assert_int_equal(access(scene->path, F_OK), -1);
	rmdir(scene->dir);
	free(scene);
	return 0;
}

static int scene_connect(struct scene *scene)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, scene->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void send_with_fd(int sock_fd, const void *bytes, size_t n, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = n};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		*CMSG_FIRSTHDR(&message) = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
							    .cmsg_type = SCM_RIGHTS,
							    .cmsg_len = CMSG_LEN(sizeof(int))};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &fd, sizeof(fd));
	}
	assert_int_equal(sendmsg(sock_fd, &message, 0), (ssize_t)n);
}

static const struct hello hello = {.magic = HELLO_MAGIC,
				   .version = WIRE_VERSION,
				   .region_bytes = REGION_BYTES};

static void settle(struct scene *scene)
{
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(daemon_dispatch(scene->daemon, 0), 0);
}

static void expect_answer(int fd, uint32_t status)
{
	struct answer answer;

	assert_int_equal(recv(fd, &answer, sizeof(answer), MSG_DONTWAIT), sizeof(answer));
	assert_int_equal(answer.status, status);
	assert_int_equal(answer.version, WIRE_VERSION);
}

static void expect_closed(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
	close(fd);
}

static void test_hello(void **state)
{
	struct scene *scene = *state;
	struct fake_watch fake;
	int fd = scene_connect(scene), fd_again;

	fake_open(&fake);
	send_with_fd(fd, &hello, sizeof(hello), fake.fd);
	settle(scene);
	expect_answer(fd, ANSWER_OK);
	assert_int_equal(scene->daemon->n_watches, 1);
	assert_int_equal(scene->daemon->watches->pid, getpid());
	/* It lost its connection and comes again: the same watch. */
	fd_again = scene_connect(scene);
	send_with_fd(fd_again, &hello, sizeof(hello), fake.fd);
	settle(scene);
	expect_answer(fd_again, ANSWER_OK);
	assert_int_equal(scene->daemon->n_watches, 1);
	close(fd);
	settle(scene);
	assert_int_equal(scene->daemon->n_watches, 1);
	/* We live and have the region mapped: only the connection is gone. */
	close(fd_again);
	settle(scene);
	assert_int_equal(scene->daemon->n_watches, 1);
	assert_true(scene->daemon->watches->is_orphan);
	fake_close(&fake);
}

static void test_end(void **state)
{
	struct scene *scene = *state;
	int status;
	pid_t pid = fork();

	if (!pid) {
		struct fake_watch fake;
		int fd = scene_connect(scene);
		struct answer answer;

		fake_open(&fake);
		fake.region.header->exit_status = 7;
		atomic_store(&fake.region.header->exit_state, REGION_EXIT_STATUS);
		send_with_fd(fd, &hello, sizeof(hello), fake.fd);
		_exit(recv(fd, &answer, sizeof(answer), 0) == sizeof(answer) ? 0 : 1);
	}
	while (!scene->daemon->n_ended)
		assert_int_equal(daemon_dispatch(scene->daemon, 100), 0);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(scene->daemon->n_watches, 0);
	assert_int_equal(scene->daemon->ended[0].exit_how, EXIT_STATUS);
	assert_int_equal(scene->daemon->ended[0].exit_value, 7);
	assert_string_equal(scene->daemon->ended[0].version, "3.11.7");
	assert_string_equal(scene->daemon->ended[0].argv[1], "app.py");
}

/* Its process is no more, and nobody has said so: whoever writes the watch has to, if there is one.
 */
static void test_probed(void **state)
{
	struct scene *scene = *state;
	struct fake_watch fake;
	struct watch *watch;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	fake_open(&fake);
	assert_int_equal(watch_new_map(scene->daemon->names, fake.fd, &watch), 0);
	watch->pid = pid;
	watch->pidfd = proc_pidfd(pid);
	watch->is_probed = true;
	daemon_link_watch(scene->daemon, watch);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	scene->daemon->reaped_ns = 0;
	daemon_drain(scene->daemon);
	assert_int_equal(scene->daemon->n_watches, 1);
	watch->is_probed = false;
	scene->daemon->reaped_ns = 0;
	daemon_drain(scene->daemon);
	assert_int_equal(scene->daemon->n_watches, 0);
	fake_close(&fake);
}

static void test_refused(void **state)
{
	struct scene *scene = *state;
	struct hello other = hello;
	char big[4096] = "";
	int fd, null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	fd = scene_connect(scene);
	other.version = WIRE_VERSION + 1;
	send_with_fd(fd, &other, sizeof(other), null_fd);
	settle(scene);
	expect_answer(fd, ANSWER_VERSION);
	expect_closed(fd);
	assert_int_equal(scene->daemon->lost.n[LOST_VERSIONS], 1);

	fd = scene_connect(scene);
	send_with_fd(fd, &hello, sizeof(hello), null_fd);
	settle(scene);
	expect_answer(fd, ANSWER_REFUSED);
	expect_closed(fd);

	fd = scene_connect(scene);
	send_with_fd(fd, &hello, sizeof(hello), -1);
	settle(scene);
	expect_answer(fd, ANSWER_REFUSED);
	expect_closed(fd);

	fd = scene_connect(scene);
	send_with_fd(fd, big, sizeof(big), null_fd);
	settle(scene);
	expect_closed(fd);

	fd = scene_connect(scene);
	send_with_fd(fd, big, 3, -1);
	settle(scene);
	expect_closed(fd);
	close(null_fd);
	assert_int_equal(scene->daemon->n_clients, 0);
	assert_int_equal(scene->daemon->lost.n[LOST_WATCHES], 4);
}

static json_t *receive_json(int sock_fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct answer answer;
	struct iovec iov = {.iov_base = &answer, .iov_len = sizeof(answer)};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	json_t *json;
	int fd;

	assert_int_equal(recvmsg(sock_fd, &message, MSG_DONTWAIT), sizeof(answer));
	assert_int_equal(answer.status, ANSWER_OK);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	json = json_loadfd(fd, 0, NULL);
	assert_non_null(json);
	close(fd);
	return json;
}

static void test_request(void **state)
{
	struct request request = {
		.magic = REQUEST_MAGIC, .version = WIRE_VERSION, .verb = REQUEST_REPORT};
	struct scene *scene = *state;
	int fd = scene_connect(scene);
	json_t *json;

	send_with_fd(fd, &request, sizeof(request), -1);
	settle(scene);
	json = receive_json(fd);
	assert_string_equal(json_string_value(json_object_get(json, "schema")),
			    "loophound.report/1");
	json_decref(json);
	request.verb = REQUEST_STATUS;
	send_with_fd(fd, &request, sizeof(request), -1);
	settle(scene);
	json = receive_json(fd);
	assert_string_equal(json_string_value(json_object_get(json, "schema")),
			    "loophound.status/1");
	json_decref(json);
	request.verb = 99;
	send_with_fd(fd, &request, sizeof(request), -1);
	settle(scene);
	expect_answer(fd, ANSWER_REFUSED);
	request.version = 99;
	send_with_fd(fd, &request, sizeof(request), -1);
	settle(scene);
	expect_answer(fd, ANSWER_VERSION);
	expect_closed(fd);
}

static void test_socket(void **state)
{
	struct daemon_config config = {0};
	struct scene *scene = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct daemon *other;
	struct stat st;
	char path[64], many[200];
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_int_equal(stat(scene->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(daemon_new(&config, &other), 0);
	assert_int_equal(listen_open(other, scene->path, 0600), LISTEN_E_TAKEN);
	/* Left over by a daemon that was killed. */
	snprintf(path, sizeof(path), "%s/stale", scene->dir);
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(listen_open(other, path, 0600), 0);
	daemon_free(other);
	assert_int_equal(daemon_new(&config, &other), 0);
	memset(many, 'a', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	assert_int_equal(listen_open(other, many, 0600), LISTEN_E_LONG);
	daemon_free(other);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, scene_open, scene_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(test_hello),   SCENE(test_end),	 SCENE(test_refused),
		SCENE(test_request), SCENE(test_socket), SCENE(test_probed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
