/* SPDX-License-Identifier: Apache-2.0 */
/* Tape: what was drained of a watch, kept so that it can be written as a recording */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/clock.h"
#include "wire/record.h"
#include "wire/recording.h"
#include "wire/region.h"

struct report;
struct stack;
struct watch;

/* One of a reel. */
struct reel_part {
	off_t end; /* of it in the file; it begins where the one before ends */
	nsec_t ended_ns;
	bool is_killed;
	int32_t pid;
	uint64_t started_at;
	struct region_header header;
};

/* Of all that have ended, one recording after the other, each without its end. */
struct reel {
	FILE *file; /* NULL: nothing has ended yet */
	int error;  /* negative errno of the first write that failed; 0: none */
	struct reel_part *parts;
	uint32_t n_parts;
};

struct tape;

struct tape *tape_new(void);
struct tape *tape_free(struct tape *tape);
void tape_add_stack(struct tape *tape, const struct named_stack *head, const struct stack *stack);
void tape_add(struct tape *tape, const struct record *record, uint32_t size_bytes);

void reel_add(struct reel *reel, const struct watch *watch, bool is_killed, nsec_t ended_ns);
int reel_write(const struct reel *reel, const struct watch *running, const struct report *report,
	       FILE *out);
void reel_deinit(struct reel *reel);
