/* SPDX-License-Identifier: Apache-2.0 */
/* Attacks by calls: handlers and stacks that a guest's wrappers have to bear. As attacks.c */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "attacks.h"

#define EXPORT __attribute__((visibility("default")))

/* ---- connect() with all of the stack but a little in use ---- */

static int connect_nowhere(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/nonexistent/socket"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = connect(fd, (const struct sockaddr *)&address, sizeof(address));

	close(fd);
	return r;
}

EXPORT int connect_near_stack_end(size_t left_bytes)
{
	pthread_attr_t attr;
	volatile char *used;
	size_t size_bytes;
	void *begin;

	if (pthread_getattr_np(pthread_self(), &attr) ||
	    pthread_attr_getstack(&attr, &begin, &size_bytes) || pthread_attr_destroy(&attr))
		return -2;
	/* Bound now: the loader takes some KB for it. */
	connect_nowhere();
	used = __builtin_alloca((size_t)((char *)&attr - (char *)begin) - left_bytes);
	*used = 1;
	return connect_nowhere() * *used;
}

/* ---- a handler that makes slow calls, at any instruction of the loop's thread ---- */

static timer_t handler_timer;
static volatile sig_atomic_t n_handled;

static void on_handler_signal(int number)
{
	struct timespec span = {.tv_nsec = 2000};
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)number;
	nanosleep(&span, NULL);
	close(fd);
	n_handled++;
}

/* setuid() may be called there (POSIX); glibc's setgroups() likewise. */
static void on_ids_signal(int number)
{
	(void)number;
	if (setuid(geteuid()) || setgid(getegid()))
		_exit(3);
	n_handled++;
}

/* Sent by the kernel to this thread, for as long as handler_rest() is not called. */
static int handler_start(void (*handler)(int), long every_us)
{
	struct itimerspec often = {{.tv_nsec = every_us * 1000}, {.tv_nsec = every_us * 1000}};
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2};

	event._sigev_un._tid = gettid();
	if (sigaction(SIGUSR2, &action, NULL) ||
	    timer_create(CLOCK_MONOTONIC, &event, &handler_timer))
		return -1;
	return timer_settime(handler_timer, 0, &often, NULL);
}

EXPORT int handler_calls(long every_us)
{
	return handler_start(on_handler_signal, every_us);
}

EXPORT int handler_sets_ids(long every_us)
{
	return handler_start(on_ids_signal, every_us);
}

EXPORT int handler_has_run(int n)
{
	return n_handled > n;
}

EXPORT int handler_rest(void)
{
	timer_delete(handler_timer);
	return handler_has_run(100);
}

/* ---- a handler that jumps out of a call, as an interrupted computation does ---- */

static sigjmp_buf jump_place;
static char jump_stack[65536];

static void on_jump_signal(int number)
{
	struct timespec span = {.tv_nsec = 1000};

	(void)number;
	nanosleep(&span, NULL);
	siglongjmp(jump_place, 1);
}

/* Out of a sleep after that time; with a signal stack the handler has one. */
EXPORT int jump_out(long after_us, int has_stack)
{
	stack_t stack = {.ss_sp = jump_stack, .ss_size = sizeof(jump_stack)}, before;
	struct sigaction action = {.sa_handler = on_jump_signal, .sa_flags = SA_ONSTACK};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2};
	struct itimerspec once = {.it_value = {.tv_nsec = after_us * 1000}};
	timer_t timer;

	if (!has_stack)
		stack.ss_flags = SS_DISABLE;
	event._sigev_un._tid = gettid();
	if (sigaltstack(&stack, &before) || sigaction(SIGUSR2, &action, NULL) ||
	    timer_create(CLOCK_MONOTONIC, &event, &timer))
		return -1;
	if (!sigsetjmp(jump_place, 1)) {
		timer_settime(timer, 0, &once, NULL);
		for (;;)
			pause();
	}
	timer_delete(timer);
	return sigaltstack(&before, NULL);
}

EXPORT int nap(long span_us)
{
	return usleep((useconds_t)span_us);
}
