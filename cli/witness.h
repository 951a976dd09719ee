/* SPDX-License-Identifier: Apache-2.0 */
/* Witness: was a signal sent to us alone, or to everybody around us? */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct witness {
	pid_t pid;
	int fd; /* of the pipe on which it tells */
};

#define WITNESS_INIT     \
	{                \
		.fd = -1 \
	}

int witness_open(struct witness *witness, const sigset_t *signals);
void witness_close(struct witness *witness);
bool witness_saw(struct witness *witness, int signal);
