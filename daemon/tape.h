/* SPDX-License-Identifier: Apache-2.0 */
/* Tape: what was drained of a watch, kept so that it can be written as a recording */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/clock.h"
#include "wire/record.h"

struct watch;

/* Of all that have ended, one recording after the other. */
struct reel {
	FILE *file; /* NULL: nothing has ended yet */
	int error;  /* negative errno of the first write that failed; 0: none */
};

struct tape;

struct tape *tape_new(void);
struct tape *tape_free(struct tape *tape);
void tape_add(struct tape *tape, const struct record *record, uint32_t size_bytes);

void reel_add(struct reel *reel, const struct watch *watch, bool is_killed, nsec_t ended_ns);
int reel_write(const struct reel *reel, const struct watch *running, FILE *out);
void reel_deinit(struct reel *reel);
