/* SPDX-License-Identifier: Apache-2.0 */
/* Waits: why the threads of watched processes did not run, as the kernel tells */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct daemon;
struct waits;
struct waits_losses;
struct waits_registers;
struct watch;

/* What the daemon needs of the programs, whoever has loaded them. */
struct waits_kernel {
	int steps_fd, wanted_fd, registers_fd;
	int processes_fd; /* -1: the programs are told of processes otherwise */
	const struct waits_losses *losses;
};

int waits_new(struct daemon *daemon, struct waits **ret_waits);
int waits_new_of(struct daemon *daemon, const struct waits_kernel *kernel,
		 struct waits **ret_waits);
struct waits *waits_free(struct waits *waits);
int waits_begin_family(struct waits *waits);
void waits_end_family(struct waits *waits);
void waits_take_watch(struct waits *waits, const struct watch *watch);
void waits_forget_watch(struct waits *waits, const struct watch *watch);
void waits_want(struct waits *waits, int32_t pid, int32_t tid);
bool waits_registers(struct waits *waits, int32_t tid, struct waits_registers *ret_registers);
bool waits_span(struct waits *waits, int32_t tid, nsec_t from, nsec_t to, nsec_t *ret_ns);
uint64_t waits_tick(struct waits *waits);
