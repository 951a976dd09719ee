/* SPDX-License-Identifier: Apache-2.0 */
/* Descent: the children of watched processes that may run a Python, now or soon */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* Of more than this that come at once, the rest is not looked at. */
#define DESCENT_MAX 256

struct descendant {
	int32_t pid;
	int pidfd;
	nsec_t added_ns, due_ns;
};

struct descent {
	struct descendant all[DESCENT_MAX];
	uint32_t n;
	uint64_t n_left_out;
};

void descent_add(struct descent *descent, int32_t pid);
void descent_add_children(struct descent *descent, int32_t pid);
bool descent_has(const struct descent *descent, int32_t pid);
int32_t descent_next(struct descent *descent, nsec_t now_ns);
void descent_drop(struct descent *descent, int32_t pid);
void descent_deinit(struct descent *descent);
