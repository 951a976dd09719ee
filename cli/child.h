/* SPDX-License-Identifier: Apache-2.0 */
/* Child: the program that run starts, with the terminal and the signals as if run directly */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "daemon.h"
#include "witness.h"

struct child {
	struct source signals;
	struct witness witness;
	pid_t pid;
	bool has_ended;
	bool is_interrupted; /* somebody pressed Ctrl-C after it had ended */
	int wait_status;
	sigset_t old_mask;
	struct sigaction old_chld, old_pipe;
};

/* Variables that are set for the child alone. */
struct child_environment {
	const char *preload, *socket, *options;
};

enum child_result {
	_CHILD_E_OK = 0,
	CHILD_E_NOT_FOUND,
	CHILD_E_NOT_EXEC,
};

int child_open(struct child *child, struct daemon *daemon);
int child_start(struct child *child, char **argv, const struct child_environment *environment,
		int *ret_errno);
void child_wait(struct child *child, int options);
void child_close(struct child *child);
int child_status(const struct child *child);
