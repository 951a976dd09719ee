/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snippets: every hooked symbol, called in a way whose result and errno are the same each time
 *
 * Each line of the text is "name result errno". errno is set to a marker before the call, so that
 * one which a successful call changed is seen. The same text must come out watched and unwatched,
 * whatever frame the snippets run in: plain, in a signal handler, in a fork or vfork child, and in
 * the constructor of this library when SNIPPETS_AT_START is set (it then goes to stdout).
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "snippets.h"
#include "try.h"

#define EXPORT	     __attribute__((visibility("default")))
#define CHILD_STATUS 7

static char *out;
static int out_bytes, out_used;

void say(const char *name, long result)
{
	int code = errno;
	int n = snprintf(out + out_used, (size_t)(out_bytes - out_used), "%s %ld %d\n", name,
			 result, code);

	if (n > 0 && out_used + n < out_bytes)
		out_used += n;
}

static void try_epoll(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct timespec soon = {.tv_nsec = 1000000}, bad = {.tv_nsec = -1};
	int fd = epoll_create1(EPOLL_CLOEXEC), pipe_fds[2];
	sigset_t none;

	sigemptyset(&none);
	if (pipe2(pipe_fds, O_CLOEXEC))
		return;
	TRY("epoll_wait.nothing", epoll_wait(fd, &event, 1, 0));
	TRY("epoll_wait.timeout", epoll_wait(fd, &event, 1, 1));
	TRY("epoll_wait.bad_fd", epoll_wait(-1, &event, 1, 1));
	TRY("epoll_wait.no_fd", epoll_wait(NO_FD, &event, 1, 1));
	TRY("epoll_wait.not_epoll", epoll_wait(pipe_fds[0], &event, 1, 1));
	epoll_ctl(fd, EPOLL_CTL_ADD, pipe_fds[1], &(struct epoll_event){.events = EPOLLOUT});
	TRY("epoll_wait.ready", epoll_wait(fd, &event, 1, -1));
	TRY("epoll_pwait.ready", epoll_pwait(fd, &event, 1, -1, &none));
	TRY("epoll_pwait.bad_max", epoll_pwait(fd, &event, 0, -1, &none));
	TRY("epoll_pwait2.ready", epoll_pwait2(fd, &event, 1, &soon, &none));
	TRY("epoll_pwait2.bad_time", epoll_pwait2(fd, &event, 1, &bad, NULL));
	TRY("close.epoll", close(fd));
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void try_sleep(void)
{
	struct timespec soon = {.tv_nsec = 1000}, bad = {.tv_nsec = -1};

	TRY("sleep", sleep(0));
	TRY("usleep", usleep(10));
	TRY("nanosleep", nanosleep(&soon, NULL));
	TRY("nanosleep.bad_time", nanosleep(&bad, NULL));
	TRY("clock_nanosleep", clock_nanosleep(CLOCK_MONOTONIC, 0, &soon, NULL));
	TRY("clock_nanosleep.bad_time", clock_nanosleep(CLOCK_MONOTONIC, 0, &bad, NULL));
	TRY("clock_nanosleep.bad_clock", clock_nanosleep(12345, 0, &soon, NULL));
}

static void try_environment(void)
{
	static char setting[] = "PYTEST_CURRENT_TEST=by putenv", bad[] = "PYTEST_CURRENT_TEST";

	TRY("setenv", setenv("PYTEST_CURRENT_TEST", "tests/test_a.py::test_x (call)", 1));
	TRY("setenv.keeps", setenv("PYTEST_CURRENT_TEST", "other", 0));
	TRY("setenv.bad_name", setenv("a=b", "c", 1));
	TRY("setenv.no_name", setenv("", "c", 1));
	TRY("setenv.is", strcmp(getenv("PYTEST_CURRENT_TEST"), "tests/test_a.py::test_x (call)"));
	TRY("unsetenv", unsetenv("PYTEST_CURRENT_TEST"));
	TRY("unsetenv.again", unsetenv("PYTEST_CURRENT_TEST"));
	TRY("unsetenv.bad_name", unsetenv("a=b"));
	TRY("putenv", putenv(setting));
	TRY("putenv.is", strcmp(getenv("PYTEST_CURRENT_TEST"), "by putenv"));
	TRY("putenv.removes", putenv(bad));
	TRY("putenv.is_gone", getenv("PYTEST_CURRENT_TEST") == NULL);
}

static void try_poll(void)
{
	struct timespec soon = {.tv_nsec = 1000000}, bad = {.tv_nsec = -1};
	struct timeval soon_tv = {.tv_usec = 1000};
	struct pollfd polled, *volatile nowhere = (struct pollfd *)16;
	fd_set readable;
	int pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC))
		return;
	polled = (struct pollfd){.fd = pipe_fds[0], .events = POLLIN};
	TRY("poll.nothing", poll(&polled, 1, 0));
	TRY("poll.timeout", poll(&polled, 1, 1));
	TRY("poll.fault", poll(nowhere, 1, 1));
	TRY("ppoll.timeout", ppoll(&polled, 1, &soon, NULL));
	TRY("ppoll.bad_time", ppoll(&polled, 1, &bad, NULL));
	FD_ZERO(&readable);
	FD_SET(pipe_fds[0], &readable);
	TRY("select.timeout", select(pipe_fds[0] + 1, &readable, NULL, NULL, &soon_tv));
	TRY("select.bad_n", select(-1, NULL, NULL, NULL, &soon_tv));
	TRY("pselect.timeout", pselect(0, NULL, NULL, NULL, &soon, NULL));
	TRY("pselect.bad_time", pselect(0, NULL, NULL, NULL, &bad, NULL));
	close(pipe_fds[1]);
	TRY("poll.hangup", poll(&polled, 1, -1));
	close(pipe_fds[0]);
}

static void try_listener(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &length))
		return;
	TRY("accept.nobody", accept(listener, NULL, NULL));
	TRY("accept4.bad_flags", accept4(listener, NULL, NULL, ~0));
	TRY("accept.bad_fd", accept(-1, NULL, NULL));
	TRY("connect", connect(client, (struct sockaddr *)&address, length));
	TRY("connect.again", connect(client, (struct sockaddr *)&address, length));
	errno = MARKER;
	accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	say("accept4", accepted >= 0);
	close(accepted);
	close(client);
	close(listener);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	TRY("connect.refused", connect(client, (struct sockaddr *)&address, length));
	TRY("connect.bad_fd", connect(-1, (struct sockaddr *)&address, length));
	TRY("connect.no_fd", connect(NO_FD, (struct sockaddr *)&address, length));
	close(client);
}

static void try_socket(void)
{
	char buf[8];
	struct iovec part = {.iov_base = buf, .iov_len = 3};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds))
		return;
	memset(buf, 'x', sizeof(buf));
	TRY("send", send(fds[0], buf, 5, 0));
	TRY("recv", recv(fds[1], buf, sizeof(buf), 0));
	TRY("sendto", sendto(fds[0], buf, 4, 0, NULL, 0));
	TRY("recvfrom", recvfrom(fds[1], buf, sizeof(buf), 0, NULL, NULL));
	TRY("sendmsg", sendmsg(fds[0], &message, 0));
	TRY("recvmsg", recvmsg(fds[1], &message, 0));
	TRY("recv.dontwait", recv(fds[1], buf, sizeof(buf), MSG_DONTWAIT));
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	TRY("recv.nonblock", recv(fds[1], buf, sizeof(buf), 0));
	TRY("recvmsg.nonblock", recvmsg(fds[1], &message, 0));
	TRY("recv.bad_fd", recv(-1, buf, sizeof(buf), 0));
	TRY("send.no_fd", send(NO_FD, buf, sizeof(buf), 0));
	TRY("close", close(fds[0]));
	TRY("send.hangup", send(fds[1], buf, 1, MSG_NOSIGNAL));
	close(fds[1]);
	TRY("close.bad_fd", close(-1));
	TRY("close.no_fd", close(NO_FD));
}

static void try_semaphore(void)
{
	struct timespec past = {.tv_sec = 1}, bad = {.tv_nsec = -1};
	sem_t semaphore;

	sem_init(&semaphore, 0, 1);
	TRY("sem_wait", sem_wait(&semaphore));
	TRY("sem_timedwait.late", sem_timedwait(&semaphore, &past));
	TRY("sem_timedwait.bad_time", sem_timedwait(&semaphore, &bad));
	TRY("sem_clockwait.late", sem_clockwait(&semaphore, CLOCK_MONOTONIC, &past));
	sem_post(&semaphore);
	TRY("sem_clockwait", sem_clockwait(&semaphore, CLOCK_MONOTONIC, &past));
	sem_destroy(&semaphore);
}

static void try_condition(void)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
	struct timespec past = {.tv_sec = 1};

	pthread_mutex_lock(&mutex);
	TRY("pthread_cond_timedwait.late", pthread_cond_timedwait(&condition, &mutex, &past));
	TRY("pthread_cond_clockwait.late",
	    pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &past));
	pthread_mutex_unlock(&mutex);
}

static pid_t child(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(CHILD_STATUS);
	return pid;
}

static void try_child(void)
{
	siginfo_t found = {0};
	pid_t pid;
	int status = 0;

	pid = child();
	TRY("waitpid", waitpid(pid, &status, 0) == pid);
	say("waitpid.status", WEXITSTATUS(status));
	pid = child();
	TRY("wait4", wait4(pid, &status, 0, NULL) == pid);
	pid = child();
	TRY("waitid", waitid(P_PID, (id_t)pid, &found, WEXITED));
	say("waitid.status", found.si_status);
	TRY("waitpid.no_child", waitpid(pid, &status, 0));
	TRY("waitpid.nohang", waitpid(pid, &status, WNOHANG));
	TRY("waitid.no_child", waitid(P_PID, (id_t)pid, &found, WEXITED));
}

/* These take any child: only where the process has none of its own. */
static void try_any_child(void)
{
	int status = 0;
	pid_t pid = child();

	TRY("wait", wait(&status) == pid);
	pid = child();
	TRY("wait3", wait3(&status, 0, NULL) == pid);
	TRY("wait.no_child", wait(&status));
	TRY("wait3.nohang", wait3(&status, WNOHANG, NULL));
}

EXPORT int snippets_run(enum snippet_frame frame, char *text, int text_bytes)
{
	out = text;
	out_bytes = text_bytes;
	out_used = 0;
	text[0] = '\0';
	try_epoll();
	try_sleep();
	try_poll();
	try_listener();
	try_socket();
	try_semaphore();
	try_condition();
	snippets_more(frame);
	snippets_rest(frame);
	if (frame != SNIPPET_VFORK) {
		try_environment();
		try_child();
		try_any_child();
	}
	return out_used;
}

static void on_signal(int number)
{
	(void)number;
	snippets_run(SNIPPET_PLAIN, out, out_bytes);
}

/* The handler runs on top of a wait that is itself hooked. */
EXPORT int snippets_run_in_signal(char *text, int text_bytes)
{
	struct sigaction action = {.sa_handler = on_signal}, before;
	struct itimerspec soon = {.it_value = {.tv_nsec = 20000000}};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
	timer_t timer;
	int r;

	out = text;
	out_bytes = text_bytes;
	if (sigaction(SIGUSR2, &action, &before) || timer_create(CLOCK_MONOTONIC, &event, &timer))
		return -1;
	timer_settime(timer, 0, &soon, NULL);
	r = poll(NULL, 0, 60000);
	say("poll.interrupted", r);
	timer_delete(timer);
	sigaction(SIGUSR2, &before, NULL);
	return out_used;
}

EXPORT int snippets_run_in_fork(char *text, int text_bytes)
{
	int fds[2], used = 0, status = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		used = snippets_run(SNIPPET_PLAIN, text, text_bytes);
		_exit(write(fds[1], text, (size_t)used) == used ? CHILD_STATUS : 1);
	}
	close(fds[1]);
	while ((n = read(fds[0], text + used, (size_t)(text_bytes - used))) > 0)
		used += (int)n;
	close(fds[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == CHILD_STATUS ? used : -1;
}

EXPORT int snippets_run_in_vfork(char *text, int text_bytes)
{
	volatile int used = -1;
	int status = 0;
	pid_t pid = vfork();

	if (!pid) {
		used = snippets_run(SNIPPET_VFORK, text, text_bytes);
		_exit(CHILD_STATUS);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == CHILD_STATUS ? used : -1;
}

__attribute__((constructor)) static void at_start(void)
{
	static char text[SNIPPETS_TEXT_BYTES];
	int used;

	if (!getenv("SNIPPETS_AT_START"))
		return;
	/* The programs it starts have this constructor too. */
	unsetenv("SNIPPETS_AT_START");
	used = snippets_run(SNIPPET_PLAIN, text, sizeof(text));
	if (write(1, text, (size_t)used) != used)
		_exit(1);
}
