/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child: the program that run starts
 *
 * It has our process group, so the terminal treats both alike: Ctrl-C and Ctrl-Z reach it by
 * themselves. What the kernel sent (SI_KERNEL) is therefore not passed on, nor what somebody sent
 * to the whole group; what was sent to us alone with kill() is meant for it and is. We survive
 * those signals to write the report: they are blocked and read from a descriptor, while the child
 * gets the mask and the dispositions that we were started with.
 *
 * Signals that stop are left alone: the terminal stops both, and the shell continues both.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "cli.h"

static const int passed_on[] = {SIGINT,	 SIGQUIT, SIGTERM, SIGHUP,
				SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH};

/*
 * Whether it has ended; options WNOHANG: now. Where its threads are stopped to look at them
 * (daemon/still.c), the kernel tells that as well, whatever is asked for, and would take it away
 * from who waits for it: so it is looked at first, and taken only when it is its end.
 */
void child_wait(struct child *child, int options)
{
	siginfo_t info = {0};

	if (child->pid <= 0 || child->has_ended ||
	    waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOWAIT | options) || !info.si_pid ||
	    info.si_code == CLD_TRAPPED || info.si_code == CLD_STOPPED ||
	    waitid(P_PID, (id_t)child->pid, &info, WEXITED))
		return;
	child->has_ended = true;
	child->wait_status = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
}

static void child_pass_on(struct child *child, const struct signalfd_siginfo *info)
{
	int number = (int)info->ssi_signo;
	bool is_shared;

	if (number == SIGCHLD)
		return;
	if (child->has_ended || child->pid <= 0) {
		child->is_interrupted |= number == SIGINT || number == SIGTERM ||
					 number == SIGHUP || number == SIGQUIT;
		return;
	}
	/* Asked of each signal, so that its word on this one is not taken for one on the next. */
	is_shared = witness_saw(&child->witness, number);
	if (!is_shared && info->ssi_code != SI_KERNEL && (pid_t)info->ssi_pid != child->pid)
		kill(child->pid, number);
}

/*
 * All signals that are there are taken before the child is looked at: the Ctrl-C that ended it was
 * sent before it ended, and must not count as one that came after.
 */
static int child_dispatch(struct source *source, uint32_t events)
{
	struct child *child = (struct child *)((char *)source - offsetof(struct child, signals));
	struct signalfd_siginfo info;

	(void)events;
	while (read(source->fd, &info, sizeof(info)) == sizeof(info))
		child_pass_on(child, &info);
	child_wait(child, WNOHANG);
	return 0;
}

static int child_take_signals(struct child *child)
{
	struct sigaction chld = {.sa_handler = SIG_DFL}, pipe = {.sa_handler = SIG_IGN};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < ARRAY_LEN(passed_on); i++)
		sigaddset(&set, passed_on[i]);
	/* Where SIGCHLD is ignored, children leave no status to wait for. */
	if (sigaction(SIGCHLD, &chld, &child->old_chld) ||
	    sigaction(SIGPIPE, &pipe, &child->old_pipe) ||
	    sigprocmask(SIG_BLOCK, &set, &child->old_mask))
		return -errno;
	child->signals.dispatch = child_dispatch;
	child->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (child->signals.fd < 0)
		return -errno;
	sigdelset(&set, SIGCHLD);
	return witness_open(&child->witness, &set);
}

/* From here on signals are ours to pass on. Return: 0 or a negative errno. */
int child_open(struct child *child, struct daemon *daemon)
{
	int r;

	memset(child, 0, sizeof(*child));
	child->witness = (struct witness)WITNESS_INIT;
	r = child_take_signals(child);
	return r ? r : daemon_add_source(daemon, &child->signals);
}

static void child_exec(const struct child *child, char **argv,
		       const struct child_environment *environment, int error_fd)
{
	int error;

	sigaction(SIGCHLD, &child->old_chld, NULL);
	sigaction(SIGPIPE, &child->old_pipe, NULL);
	sigprocmask(SIG_SETMASK, &child->old_mask, NULL);
	if (!setenv("LD_PRELOAD", environment->preload, 1) &&
	    !setenv("LOOPHOUND_SOCKET", environment->socket, 1) &&
	    !setenv("LOOPHOUND_OPTIONS", environment->options, 1))
		execvp(argv[0], argv);
	error = errno;
	if (write(error_fd, &error, sizeof(error)) < 0)
		_exit(CLI_EXIT_NO_JOB);
	_exit(CLI_EXIT_NOT_EXEC);
}

/*
 * Start the program.
 *
 * Return: 0, an enum child_result with the errno of exec, or a negative errno.
 */
int child_start(struct child *child, char **argv, const struct child_environment *environment,
		int *ret_errno)
{
	int pipe_fd[2], error;
	ssize_t n;

	if (pipe2(pipe_fd, O_CLOEXEC))
		return -errno;
	child->pid = fork();
	if (!child->pid)
		child_exec(child, argv, environment, pipe_fd[1]);
	error = errno;
	close(pipe_fd[1]);
	if (child->pid < 0) {
		close(pipe_fd[0]);
		return -error;
	}
	do
		n = read(pipe_fd[0], &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	close(pipe_fd[0]);
	if (n != sizeof(error))
		return 0;
	waitpid(child->pid, &child->wait_status, 0);
	child->pid = 0;
	*ret_errno = error;
	return error == ENOENT || error == ENOTDIR ? CHILD_E_NOT_FOUND : CHILD_E_NOT_EXEC;
}

/* Nothing more is passed on. */
void child_close(struct child *child)
{
	witness_close(&child->witness);
}

/* Its exit status as a shell gives it: 128 and the number of the signal that ended it. */
int child_status(const struct child *child)
{
	return WIFSIGNALED(child->wait_status) ? CLI_EXIT_BY_SIGNAL + WTERMSIG(child->wait_status)
					       : WEXITSTATUS(child->wait_status);
}
