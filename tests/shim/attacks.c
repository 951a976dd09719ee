/* SPDX-License-Identifier: Apache-2.0 */
/* Attacks: what a program can do to a guest only in C. Loaded by guests/ through ctypes */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attacks.h"

#define EXPORT __attribute__((visibility("default")))

static void sleep_ms(long span_ms)
{
	struct timespec span = {.tv_sec = span_ms / 1000, .tv_nsec = span_ms % 1000 * 1000000};

	nanosleep(&span, NULL);
}

/* ---- setenv() beside a reader: the environment moves each time ---- */

static volatile int is_churning;

static void *churn(void *unused)
{
	char name[32], *value = calloc(1, 4096);

	(void)unused;
	memset(value, 'x', 4000);
	while (is_churning)
		for (int i = 0; i < 400 && is_churning; i++) {
			snprintf(name, sizeof(name), "CHURN_%d", i);
			setenv(name, value + i, 1);
			if (i % 2)
				unsetenv(name);
		}
	free(value);
	return NULL;
}

static pthread_t churner;

EXPORT void environment_churn(void)
{
	is_churning = 1;
	pthread_create(&churner, NULL, churn, NULL);
}

EXPORT void environment_rest(void)
{
	is_churning = 0;
	pthread_join(churner, NULL);
}

/* ---- forks from several threads at once ---- */

static void *fork_often(void *count)
{
	for (long i = 0; i < (long)count; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	return NULL;
}

EXPORT void fork_storm(int n_threads, long count)
{
	pthread_t threads[16];

	for (int i = 0; i < n_threads; i++)
		pthread_create(&threads[i], NULL, fork_often, (void *)count);
	for (int i = 0; i < n_threads; i++)
		pthread_join(threads[i], NULL);
}

/* ---- a fork in a signal handler, while the loop is in its poll ---- */

static volatile sig_atomic_t forked;

static void on_fork_signal(int number)
{
	(void)number;
	forked = fork() ? 1 : 2;
}

/* The signal comes from the kernel: a thread of Python's would hold the GIL while it sends one. */
EXPORT int fork_on_signal(long delay_ms)
{
	struct sigaction action = {.sa_handler = on_fork_signal, .sa_flags = SA_RESTART};
	struct itimerspec delay = {.it_value = {.tv_nsec = delay_ms * 1000000}};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	timer_t timer;

	if (sigaction(SIGUSR1, &action, NULL) || timer_create(CLOCK_MONOTONIC, &event, &timer))
		return -1;
	return timer_settime(timer, 0, &delay, NULL);
}

EXPORT int fork_side(void)
{
	return forked;
}

/* ---- a handler on a small stack of its own makes a slow call ---- */

#define GUARD_BYTES 65536

static void on_stack_signal(int number)
{
	(void)number;
	sleep_ms(60);
}

EXPORT int sleep_on_small_stack(size_t size_bytes)
{
	struct sigaction action = {.sa_handler = on_stack_signal, .sa_flags = SA_ONSTACK};
	char *base = mmap(NULL, GUARD_BYTES + size_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t stack = {.ss_sp = base + GUARD_BYTES, .ss_size = size_bytes};

	if (base == MAP_FAILED || mprotect(base, GUARD_BYTES, PROT_NONE) ||
	    sigaltstack(&stack, NULL) || sigaction(SIGUSR2, &action, NULL))
		return -1;
	return raise(SIGUSR2);
}

/* ---- a call with all of the stack but a little in use ---- */

EXPORT int sleep_near_stack_end(size_t left_bytes)
{
	pthread_attr_t attr;
	volatile char *used;
	size_t size_bytes;
	void *begin;

	if (pthread_getattr_np(pthread_self(), &attr) ||
	    pthread_attr_getstack(&attr, &begin, &size_bytes) || pthread_attr_destroy(&attr))
		return -1;
	/* Bound now: the loader takes some KB for it. */
	sleep_ms(0);
	used = __builtin_alloca((size_t)((char *)&attr - (char *)begin) - left_bytes);
	*used = 1;
	sleep_ms(30);
	return *used;
}

/* ---- threads that are cancelled, signals that never end, descriptors that go away ---- */

static int cancelled_fds[2];
static int n_cleaned;

static void on_cleanup(void *unused)
{
	(void)unused;
	n_cleaned++;
}

static void *wait_for_ever(void *which)
{
	char byte;

	pthread_cleanup_push(on_cleanup, NULL);
	if (which)
		poll(&(struct pollfd){.fd = cancelled_fds[0], .events = POLLIN}, 1, -1);
	else
		(void)!read(cancelled_fds[0], &byte, 1);
	pthread_cleanup_pop(0);
	return NULL;
}

/* Threads cancelled in a hooked call; the calling one cancels itself last, if asked to. */
EXPORT int cancel_in_calls(int itself)
{
	void *result = NULL;
	pthread_t thread;
	int n_cancelled = 0;

	if (pipe2(cancelled_fds, O_CLOEXEC))
		return -1;
	for (uintptr_t i = 0; i < 20; i++) {
		if (pthread_create(&thread, NULL, wait_for_ever, (void *)(i % 2)))
			return -1;
		sleep_ms(1);
		pthread_cancel(thread);
		pthread_join(thread, &result);
		n_cancelled += result == PTHREAD_CANCELED;
	}
	if (itself) {
		pthread_cancel(pthread_self());
		wait_for_ever(NULL);
	}
	return n_cancelled * 100 + n_cleaned;
}

static volatile sig_atomic_t n_interrupts;

static void on_interrupt(int number)
{
	int code = errno;

	(void)number;
	n_interrupts++;
	/* Hooked calls inside hooked calls. */
	(void)!write(-1, "", 1);
	poll(NULL, 0, 0);
	errno = code;
}

/* Each wait is interrupted, again and again. Return: how many waits ended otherwise than by EINTR.
 */
EXPORT int interrupt_storm(int n_waits)
{
	/* Longer than the handler takes on a busy machine, watched: it would run for ever. */
	struct itimerspec often = {{.tv_nsec = 1000000}, {.tv_nsec = 1000000}};
	struct sigaction action = {.sa_handler = on_interrupt}, before;
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
	timer_t timer;
	int fds[2], n_other = 0;
	char byte;

	if (pipe2(fds, O_CLOEXEC) || sigaction(SIGUSR2, &action, &before) ||
	    timer_create(CLOCK_MONOTONIC, &event, &timer))
		return -1;
	timer_settime(timer, 0, &often, NULL);
	for (int i = 0; i < n_waits; i++) {
		errno = 0;
		n_other += read(fds[0], &byte, 1) != -1 || errno != EINTR;
		errno = 0;
		n_other += poll(&(struct pollfd){.fd = fds[0], .events = POLLIN}, 1, -1) != -1 ||
			   errno != EINTR;
	}
	timer_delete(timer);
	sigaction(SIGUSR2, &before, NULL);
	close(fds[0]);
	close(fds[1]);
	return n_interrupts >= n_waits ? n_other : -2;
}
