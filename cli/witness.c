/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Witness: was a signal sent to us alone?
 *
 * A signal that somebody sent to us alone is meant for the program and has to be passed on. One
 * that was sent to our whole process group, or to each process of a unit, has reached the program
 * already, and a second one would change what it does: many servers end at once on the second
 * Ctrl-C. The two look alike from inside one process. So a second process, which does nothing but
 * wait, stands in the same group, session and control group: what it got as well was sent to all.
 *
 * It holds none of our descriptors, and goes when we go, however that happens.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "witness.h"

/* Who signals a group has reached all of it at once; who goes through a list, within this. */
#define WITNESS_WAIT_MS 50

/* What it told longer ago was about another signal. */
#define WITNESS_MAX_AGE NSEC_PER_SEC

struct testimony {
	uint64_t signal;
	nsec_t at_ns;
};

static void close_others(int kept_fd)
{
	if (kept_fd > 0)
		close_range(0, (unsigned int)kept_fd - 1, 0);
	close_range((unsigned int)kept_fd + 1, ~0u, 0);
}

static void witness_run(int fd, pid_t parent, const sigset_t *signals)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "loophound-wait");
	if (getppid() != parent)
		_exit(0);
	close_others(fd);
	for (;;) {
		struct testimony testimony = {.signal = (uint64_t)sigwaitinfo(signals, NULL)};

		testimony.at_ns = clock_monotonic();
		if (write(fd, &testimony, sizeof(testimony)) < 0 && errno != EAGAIN)
			_exit(0);
	}
}

/* The signals are blocked already. Return: 0 or a negative errno. */
int witness_open(struct witness *witness, const sigset_t *signals)
{
	pid_t parent = getpid();
	int pipe_fd[2];

	if (pipe2(pipe_fd, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	witness->pid = fork();
	if (!witness->pid)
		witness_run(pipe_fd[1], parent, signals);
	close(pipe_fd[1]);
	witness->fd = pipe_fd[0];
	return witness->pid < 0 ? -errno : 0;
}

void witness_close(struct witness *witness)
{
	if (witness->fd >= 0)
		close(witness->fd);
	witness->fd = -1;
	if (witness->pid > 0) {
		kill(witness->pid, SIGKILL);
		waitpid(witness->pid, NULL, 0);
	}
	witness->pid = 0;
}

/* Whether a signal that has just reached us reached it as well. Waits a moment for its word. */
bool witness_saw(struct witness *witness, int signal)
{
	nsec_t end_ns = clock_monotonic() + WITNESS_WAIT_MS * NSEC_PER_MSEC, now_ns;

	for (;;) {
		struct pollfd pfd = {.fd = witness->fd, .events = POLLIN};
		struct testimony testimony;

		now_ns = clock_monotonic();
		if (witness->fd < 0 || now_ns > end_ns)
			return false;
		if (poll(&pfd, 1, (int)((end_ns - now_ns) / NSEC_PER_MSEC) + 1) <= 0)
			continue;
		if (read(witness->fd, &testimony, sizeof(testimony)) != sizeof(testimony))
			return false;
		if ((int)testimony.signal == signal && now_ns < testimony.at_ns + WITNESS_MAX_AGE)
			return true;
	}
}
